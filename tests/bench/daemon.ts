/**
 * A daemon that costs what the real one costs, by timers and without using the processor: 6 ms from a connection to its
 * reading, 12 ms a command. One process listens on all the sockets that it is given.
 */
import { createServer } from 'node:net';

const connectMs = 6;
const commandMs = 12;
const reply = `${JSON.stringify({ ok: true, output: '=====> My Apps\nnode-js-app' })}\n`;

for (const path of process.argv.slice(2)) {
  /** Dokku's lock: commands of one daemon run one at a time. */
  let free: Promise<void> = Promise.resolve();
  createServer((socket) => {
    const ready = performance.now() + connectMs;
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      const wait = Math.max(0, ready - performance.now());
      free = free.then(
        () =>
          new Promise((resolve) => {
            setTimeout(() => {
              socket.write(reply);
              resolve();
            }, wait + commandMs);
          }),
      );
    });
  }).listen(path);
}
process.stdout.write('listening\n');
