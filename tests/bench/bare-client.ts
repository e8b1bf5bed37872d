import { connect } from 'node:net';

/** What anybody would write: a connection, a line, an answer line. */
export function bareCommand(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${command}\n`));
    let answer = '';
    socket.setEncoding('utf8').on('error', reject);
    socket.on('data', (text: string) => {
      answer += text;
      if (!answer.endsWith('\n')) return;
      socket.destroy();
      if ((JSON.parse(answer) as { ok: boolean }).ok) resolve(answer);
      else reject(new Error(`the daemon answered ${answer}`));
    });
  });
}

/** Bare clients that take turns on one socket. */
export function inTurns(path: string): (command: string) => Promise<string> {
  let turn: Promise<unknown> = Promise.resolve();
  return (command) => {
    const done = turn.then(() => bareCommand(path, command));
    turn = done;
    return done;
  };
}
