import type { IncomingHttpHeaders } from 'node:http';
import type { WireCommand } from '../../lib/command.ts';
import { type EventReader, openEvents } from '../handlers/event-reader.ts';
import type { Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import type { StandIn } from '../support/stand-in.ts';

/** A command that runs for longer than the first blank and the first heartbeat take, and who waits for it. */
export interface Lasting {
  /** The answer to its POST with `sync=true`. */
  answer: Promise<{ status: number; headers: IncomingHttpHeaders; pieces: Piece[] }>;
  events: EventReader;
}

/** A part of a body as it came, and the milliseconds from the request until then. */
export type Piece = { text: string; at: number };

/** Begins it on the server `eu`; it ends as soon as the answer has begun. */
export async function beginLasting(web: Web, daemon: StandIn, credentials: Record<string, string>): Promise<Lasting> {
  const hold = await daemon.hold('ps:rebuild api');
  const answer = readPieces(web.url, credentials, hold.release);
  // Whoever looks at it sees its failure; where nobody does, the tests ended before it.
  answer.catch(() => undefined);
  await hold.held();
  const { token } = await waitFor(
    async () => ((await (await web.get('/commands?server=eu')).json()) as WireCommand[])[0],
    { describe: 'the command to be listed' },
  );
  return { answer, events: await openEvents(`${web.url}/commands/${token}/events`, credentials) };
}

async function readPieces(url: string, credentials: Record<string, string>, release: () => Promise<void>) {
  const from = performance.now();
  const response = await fetch(`${url}/commands?cmd=ps:rebuild+api&server=eu&sync=true`, {
    method: 'POST',
    headers: credentials,
  });
  const decoder = new TextDecoder();
  const pieces: Piece[] = [];
  for await (const chunk of response.body ?? []) {
    if (pieces.length === 0) await release();
    pieces.push({ text: decoder.decode(chunk, { stream: true }), at: performance.now() - from });
  }
  return { status: response.status, headers: Object.fromEntries(response.headers), pieces };
}
