/** Fast receivers of callbacks, one host for each port: they take what comes, and answer after so many milliseconds. */
import { createServer, type ServerResponse } from 'node:http';

const [afterMs, ...ports] = process.argv.slice(2).map(Number);
const answer = (response: ServerResponse) => response.writeHead(204).end();
for (const port of ports) {
  createServer((request, response) => {
    request.resume().on('end', () => (afterMs === 0 ? answer(response) : setTimeout(answer, afterMs, response)));
  }).listen(port, '127.0.0.1');
}
process.stdout.write('listening\n');
