import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ControlOperation, ControlRequest, ControlResponse, ControlResults } from './control-protocol.ts';

/** Answers one request of the control protocol; what it throws becomes the answer's `error`. */
export type ControlHandler = (request: ControlRequest) => Promise<ControlResults[ControlOperation]>;

/** Listens for control requests, a JSON object a line. A socket file left from before is replaced. */
export async function serveControl(path: string, handle: ControlHandler): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    serveConnection(socket, handle).catch((error: unknown) => {
      console.error('stand-in daemon: a control connection failed:', error);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${path} for control`, { cause: error })));
    server.listen(path, () => resolve());
  });
  return server;
}

async function serveConnection(socket: Socket, handle: ControlHandler): Promise<void> {
  socket.on('error', (error) => console.error(`stand-in daemon: a control client is gone: ${error.message}`));
  for await (const line of createInterface({ input: socket })) {
    socket.write(`${JSON.stringify(await respond(line, handle))}\n`);
  }
  socket.end();
}

async function respond(line: string, handle: ControlHandler): Promise<ControlResponse> {
  try {
    return { ok: true, result: await handle(JSON.parse(line)) };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}
