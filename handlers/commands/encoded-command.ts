import type { CommandRow } from '../../db/schema.ts';
import { toWire } from '../../lib/command.ts';

const encoder = new TextEncoder();
const encoded = new WeakMap<CommandRow, Uint8Array>();

/**
 * The command object as JSON in UTF-8. All who are told of the same row share the same bytes: a result may have
 * megabytes, and hundreds of event streams may follow its command.
 */
export function encodedCommand(row: CommandRow): Uint8Array {
  const known = encoded.get(row);
  if (known !== undefined) return known;
  const bytes = encoder.encode(JSON.stringify(toWire(row)));
  encoded.set(row, bytes);
  return bytes;
}
