/**
 * The daemon's reply line. It is almost JSON: bash drops NUL bytes and cuts trailing newlines of the output, and of
 * what is left only newlines and double quotes are escaped. Everything else stands raw.
 */
export function encodeReply(ok: boolean, output: Buffer): Buffer {
  // latin1 keeps every byte as it is, and is the fast form for replies of many megabytes
  const text = output.toString('latin1').replaceAll('\0', '');
  let end = text.length;
  while (end > 0 && text[end - 1] === '\n') end -= 1;
  const escaped = text.slice(0, end).replaceAll('\n', '\\n').replaceAll('"', '\\"');
  return Buffer.from(`{"ok":${ok},"output":"${escaped}"}\n`, 'latin1');
}
