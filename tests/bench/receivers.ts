/** Fast receivers of callbacks, one host for each port: they take what comes. */
import { createServer } from 'node:http';

for (const port of process.argv.slice(2)) {
  createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(204).end());
  }).listen(Number(port), '127.0.0.1');
}
process.stdout.write('listening\n');
