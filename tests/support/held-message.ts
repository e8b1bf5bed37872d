import type { TestProxy } from './proxy.ts';
import type { ProxyConnection } from './proxy-connection.ts';

/** A message that waits in a proxy. */
export interface HeldMessage {
  /** Resolves when it has come and waits. */
  readonly reached: Promise<ProxyConnection>;
  /** Passes it on, or ends its connection at both sides without it. Later messages are not held. */
  settle(how: 'forward' | 'cut'): void;
}

/** Holds the first message to the target that contains all of `texts`: nothing of it has been carried out then. */
export function holdRequest(proxy: TestProxy, ...texts: [string, ...string[]]): HeldMessage {
  return hold((wait) =>
    proxy.onData('toTarget', (chunk, connection) =>
      texts.every((text) => chunk.includes(text)) ? wait(connection) : 'forward',
    ),
  );
}

/**
 * Holds the first answer that contains `has` to a message that contains `text`: what that asked for has been carried
 * out then.
 */
export function holdAnswer(proxy: TestProxy, text: string, has = ''): HeldMessage {
  return hold((wait) => {
    /** Who asked, and whether some of the answer has come: until then what is asked next has none either. */
    const asking = new Map<ProxyConnection, { answered: boolean }>();
    const stopWatching = proxy.onData('toTarget', (chunk, connection) => {
      if (chunk.includes(text)) asking.set(connection, { answered: false });
      else if (asking.get(connection)?.answered) asking.delete(connection);
      return 'forward';
    });
    const stopHolding = proxy.onData('toClient', (chunk, connection) => {
      const asked = asking.get(connection);
      if (asked === undefined) return 'forward';
      if (chunk.includes(has)) return wait(connection);
      asked.answered = true;
      return 'forward';
    });
    return () => {
      stopWatching();
      stopHolding();
    };
  });
}

type Wait = (connection: ProxyConnection) => Promise<'forward' | 'cut'>;

function hold(listen: (wait: Wait) => () => void): HeldMessage {
  let arrive: (connection: ProxyConnection) => void = () => undefined;
  let settle: (how: 'forward' | 'cut') => void = () => undefined;
  const reached = new Promise<ProxyConnection>((resolve) => {
    arrive = resolve;
  });
  const verdict = new Promise<'forward' | 'cut'>((resolve) => {
    settle = resolve;
  });
  const stop = listen((connection) => {
    stop();
    arrive(connection);
    return verdict;
  });
  return { reached, settle };
}
