/** Reads `application/x-www-form-urlencoded` text strictly, as the WHATWG's parser, which replaces what it cannot read, does not. */

/** Names and values in their order; null where percent-encoding or UTF-8 is malformed. */
export function parseUrlEncoded(text: string): [name: string, value: string][] | null {
  const pairs: [string, string][] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals === -1 ? part : part.slice(0, equals));
    const value = decode(equals === -1 ? '' : part.slice(equals + 1));
    if (name === null || value === null) return null;
    pairs.push([name, value]);
  }
  return pairs;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
