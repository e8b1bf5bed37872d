import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import type { WireCommand } from '../../lib/command.ts';
import { waitFor } from '../support/process.ts';

/** A client of an event stream, which reads as the HTML standard says. */
export interface EventReader {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The events so far, each with the id that a reconnect after it would send. */
  readonly events: { id: string; command: WireCommand }[];
  /** The lines that are comments. */
  readonly comments: string[];
  readonly lastEventId: string;
  /** `complete` where the server ended it, `cut` where the connection broke. */
  readonly end: Promise<'complete' | 'cut'>;
  /** Waits for an event after which `isThere` holds. */
  until(isThere: () => unknown, what: string): Promise<void>;
  pause(): void;
  resume(): void;
  leave(): void;
}

export async function openEvents(
  url: string,
  headers: Record<string, string>,
  lastEventId?: string,
): Promise<EventReader> {
  let outgoing: ClientRequest | undefined;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing = get(
      url,
      {
        headers: {
          ...headers,
          Accept: 'text/event-stream',
          ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
        },
      },
      resolve,
    );
    outgoing.once('error', reject);
  });
  const events: EventReader['events'] = [];
  const comments: string[] = [];
  let rest = '';
  let id = lastEventId ?? '';
  let data = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith(':')) comments.push(line);
      else if (line.startsWith('id: ')) id = line.slice(4);
      else if (line.startsWith('data: ')) data += line.slice(6);
      else if (line === '' && data !== '') {
        events.push({ id, command: JSON.parse(data) as WireCommand });
        data = '';
      }
    }
  });
  const end = new Promise<'complete' | 'cut'>((resolve) => {
    response.once('end', () => resolve('complete'));
    response.once('error', () => resolve('cut'));
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    events,
    comments,
    get lastEventId() {
      return id;
    },
    end,
    until: async (isThere, what) => {
      await waitFor(isThere, {
        describe: () => `${what}; came: ${JSON.stringify(events.map(({ command }) => command.state))}`,
      });
    },
    pause: () => response.pause(),
    resume: () => response.resume(),
    leave: () => outgoing?.destroy(),
  };
}
