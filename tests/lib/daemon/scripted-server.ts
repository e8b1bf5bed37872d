import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A fresh folder that is gone when the test is over. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'daemon-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

type ServerSide = {
  socket: Socket;
  /** All that the client sent. */
  received: () => string;
  /** Whether the client shut its sending side, or all of it. */
  ended: () => boolean;
};

export type ScriptedServer = {
  path: string;
  /** The next connection, in the order they were made. */
  accepted: () => Promise<ServerSide>;
  close: () => Promise<void>;
};

/**
 * A Unix-socket server that does what a test says, on the bytes of each line that comes. Unlike Node's default it
 * keeps its sending side open when the client shuts its own, so that a test can see that this happened.
 */
export async function startServer(
  options: {
    path?: string;
    onConnection?: (socket: Socket) => void;
    onLine?: (socket: Socket, line: string) => void;
    reads?: boolean;
  } = {},
): Promise<ScriptedServer> {
  const path = options.path ?? join(freshFolder(), 'daemon.sock');
  const waiting: ServerSide[] = [];
  const takers: ((side: ServerSide) => void)[] = [];
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: options.reads === false }, (socket) => {
    let received = '';
    let ended = false;
    let lines = 0;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // A client that went away while a script still writes is part of some tests.
    socket.on('error', () => socket.destroy());
    if (options.reads !== false) {
      socket.on('end', () => {
        ended = true;
        socket.end();
      });
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        const whole = received.split('\n').slice(0, -1);
        for (const line of whole.slice(lines)) options.onLine?.(socket, line);
        lines = whole.length;
      });
    }
    const side = { socket, received: () => received, ended: () => ended };
    const taker = takers.shift();
    if (taker === undefined) waiting.push(side);
    else taker(side);
    options.onConnection?.(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  const close = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  onTestFinished(close);
  return {
    path,
    accepted: () => {
      const side = waiting.shift();
      return side === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(side);
    },
    close,
  };
}

/** A process that listens, and was stopped so that it accepts nothing, with room for two connections that wait. */
export async function startStoppedListener(): Promise<string> {
  const path = join(freshFolder(), 'daemon.sock');
  const script = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log('listening'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  return path;
}

/** Runs `action` as a user whom file permissions bind; root is bound by none. */
export async function asOrdinaryUser<Result>(action: () => Promise<Result>): Promise<Result> {
  if (process.geteuid?.() !== 0) return action();
  process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

/** Whether a promise is still open after all that is ready now has been dealt with. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(() => setImmediate(resolve, pending)));
  return (await Promise.race([promise, turn])) === pending;
}
