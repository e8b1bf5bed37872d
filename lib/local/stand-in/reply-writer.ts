import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplyFault } from './control-protocol.ts';

export interface Written {
  /** How many bytes the kernel took. */
  bytes: number;
  /** Whether the connection ends now. */
  end: boolean;
}

/** Writes a reply line to the socket, as the fault has it. A client that is gone takes no bytes. */
export async function writeReply(socket: Socket, reply: Buffer, fault: ReplyFault | null): Promise<Written> {
  switch (fault?.kind) {
    case undefined:
      return { bytes: await write(socket, reply), end: false };
    case 'silent':
      return { bytes: 0, end: false };
    case 'close':
      return { bytes: 0, end: true };
    case 'no-newline':
      return { bytes: await write(socket, reply.subarray(0, -1)), end: true };
    case 'cut-off':
      return { bytes: await write(socket, reply.subarray(0, fault.bytes)), end: true };
    case 'garbage':
      return { bytes: await write(socket, Buffer.from(fault.base64, 'base64')), end: fault.close ?? false };
    case 'pieces':
      return { bytes: await writePieces(socket, reply, fault.cuts, fault.pauseMs), end: false };
    case 'byte-by-byte': {
      const cuts = Array.from(reply, (_, index) => index + 1);
      return { bytes: await writePieces(socket, reply, cuts, fault.pauseMs ?? 0), end: false };
    }
  }
}

async function writePieces(socket: Socket, reply: Buffer, cuts: number[], pauseMs: number): Promise<number> {
  const inside = cuts.filter((cut) => cut > 0 && cut < reply.length).sort((a, b) => a - b);
  let written = 0;
  let start = 0;
  for (const end of [...inside, reply.length]) {
    if (start > 0) await (pauseMs > 0 ? delay(pauseMs) : new Promise(setImmediate));
    written += await write(socket, reply.subarray(start, end));
    start = end;
  }
  return written;
}

/** Resolves to the bytes taken: all of them or, where the client is gone, none. */
function write(socket: Socket, bytes: Buffer): Promise<number> {
  if (!socket.writable || bytes.length === 0) return Promise.resolve(0);
  return new Promise((resolve) => {
    // the callback of a write is not called when the socket is destroyed under it by a reset
    const gone = (): void => resolve(0);
    socket.once('close', gone);
    socket.write(bytes, (error) => {
      socket.off('close', gone);
      resolve(error ? 0 : bytes.length);
    });
  });
}
