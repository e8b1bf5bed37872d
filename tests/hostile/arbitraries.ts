/** What hostile clients send: values that are nearly right, values that are right elsewhere, and noise. */
import fc from 'fast-check';

const printable = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));

/** Visible ASCII. */
const noise = fc.string({ unit: fc.constantFrom(...printable), maxLength: 40 });
const anyText = fc.string({ unit: 'binary', maxLength: 60 });
const percentEncoded = anyText.map((text) => Buffer.from(text).toString('latin1').replaceAll(/[^\w]/gs, encodeByte));

function encodeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

const nearly = fc.constantFrom(
  ...['', '0', '1', '-1', '1e9', 'NaN', '999999999999999', '9'.repeat(400), 'true', 'asc', 'desc', 'queued', 'lost'],
  ...['2020-01-01', '2020-02-31', '2020-01-01T00:00:00 00:00', '+275760-09-13T00:00:00Z', 'default', 'eu', '*', '?'],
  ...['%00', '%ff', '%25', '%', '%zz', '%c0%ae', '%ed%a0%80', '%F0%9F%92%A9', '__proto__', 'constructor'],
);

/** A part of a path, as it goes on the wire. */
export const segment = fc.oneof(
  nearly,
  percentEncoded,
  noise.map((text) => text.replaceAll(/[?#/]/g, '')),
  fc.constantFrom('..', '.', '%2e%2e', '%2f', '\\', ';', ':token', '{token}', 'f'.repeat(64), 'F'.repeat(64)),
);

const names = fc.constantFrom(
  ...['limit', 'after', 'before', 'order', 'state', 'server', 'since', 'until', 'q', 'wait', 'cmd', 'sync', 'timeout'],
  ...['callback_url', 'cmd[]', 'cmd[x]', 'limit[]', '__proto__', 'constructor', 'toString', '', '[', '%00'],
);

/** Waiting for long is right, and would only make the test long. */
const value = fc.oneof(nearly, percentEncoded, noise.map(encodeURIComponent)).filter((text) => !/^\+?\d\d$/.test(text));
const pairs = fc.array(fc.tuple(names, value), { maxLength: 5 });

/** What stands behind the question mark, as it goes on the wire. */
export const query = fc
  .oneof(
    pairs.map((all) => all.map((pair) => pair.join('=')).join('&')),
    noise.map((text) => text.replaceAll('#', '')),
  )
  .map((text) => text.replaceAll(/[^\x21-\x7E]/g, '+'));

const headerText = fc.oneof(
  noise,
  nearly,
  fc.string({ unit: fc.constantFrom(...printable, ' ', '\t', 'é', 'ÿ'), maxLength: 60 }),
  fc.constantFrom('application/problem+json', 'text/plain', '*/*;q=x', ',,;', 'text/event-stream', 'x'.repeat(4000)),
);

/** Of requests that are HTTP. The credentials are not among them. */
export const headers = fc
  .record(
    {
      accept: headerText,
      'idempotency-key': headerText,
      'x-request-id': headerText,
      'last-event-id': fc.oneof(headerText, fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String)),
      'x-forwarded-for': headerText,
      'x-forwarded-host': headerText,
      'x-forwarded-proto': headerText,
      origin: headerText,
      'sec-fetch-site': headerText,
      cookie: headerText,
      'content-encoding': headerText,
      'content-type': fc.oneof(
        headerText,
        fc.constantFrom(
          ...['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b'],
          ...['multipart/form-data', ';', 'application/json; charset=utf-16', 'APPLICATION/JSON;CHARSET="utf-8"'],
        ),
      ),
    },
    { requiredKeys: [] },
  )
  .map((given) => Object.fromEntries(Object.entries(given).map(([name, text]) => [name, text.trim()])));

const json = fc
  .oneof(
    fc.jsonValue(),
    fc.record(
      {
        cmd: fc.oneof(anyText, fc.jsonValue()),
        sync: fc.jsonValue(),
        timeout: fc.oneof(fc.double(), fc.jsonValue()),
        server: fc.jsonValue(),
        callback_url: fc.oneof(fc.webUrl(), anyText, fc.jsonValue()),
      },
      { requiredKeys: [] },
    ),
  )
  .map((parts) => Buffer.from(JSON.stringify(parts)));
const part = fc.tuple(noise, anyText).map(([name, text]) => {
  return `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
});
const deep = fc.nat({ max: 20_000 }).map((depth) => Buffer.from('['.repeat(depth)));

export const body = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  json,
  pairs.map((all) => Buffer.from(all.map((pair) => pair.join('=')).join('&'))),
  fc.array(part, { maxLength: 4 }).map((parts) => Buffer.from(`${parts.join('')}--b--`)),
  deep,
);

/** A place in a text, and the bytes that go there in place of some. */
export const wound = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat({ max: 8 }),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom('\n', '\r', '\r\n\r\n', '\0', '\n ', ' ', ':', '\x7f', '\xff', 'Content-Length: 5\r\n', '\t')
      .map((text) => Buffer.from(text, 'latin1')),
  ),
});
