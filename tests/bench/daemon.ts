/**
 * A daemon that costs what it is told, by timers and without using the processor: so many milliseconds from a connection
 * to its reading, and so many a command. One process listens on all the sockets that it is given.
 *
 *   tsx tests/bench/daemon.ts --connect-ms 6 --command-ms 12 PATH…
 */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { 'connect-ms': { type: 'string' }, 'command-ms': { type: 'string' } },
  allowPositionals: true,
});
const connectMs = Number(values['connect-ms']);
const commandMs = Number(values['command-ms']);
const reply = `${JSON.stringify({ ok: true, output: '=====> My Apps\nnode-js-app' })}\n`;

for (const path of positionals) {
  /** Dokku's lock: commands of one daemon run one at a time. */
  let free: Promise<void> = Promise.resolve();
  createServer((socket) => {
    const ready = performance.now() + connectMs;
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      const wait = Math.max(0, ready - performance.now());
      free = free.then(async () => {
        // A timer cuts fractions off, and one of 0 ms takes one.
        if (wait + commandMs > 0) await sleep(Math.round(wait + commandMs));
        socket.write(reply);
      });
    });
  }).listen(path);
}
process.stdout.write('listening\n');
