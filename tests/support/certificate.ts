import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

interface Certificate {
  /** PEM */
  key: string;
  /** PEM. Signed by itself: a client that is to accept it must be given it as its authority. */
  cert: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const TAG = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x17, sequence: 0x30, set: 0x31 };
const CONTEXT = 0x80;
const CONSTRUCTED = 0xa0;

/** ecdsa-with-SHA256, commonName, subjectAltName, as DER has them. */
const ECDSA_SHA256 = tlv(TAG.sequence, tlv(TAG.oid, Buffer.from('2a8648ce3d040302', 'hex')));
const COMMON_NAME = tlv(TAG.oid, Buffer.from('550403', 'hex'));
const SUBJECT_ALT_NAME = tlv(TAG.oid, Buffer.from('551d11', 'hex'));

/** Makes a self-signed X.509 certificate (RFC 5280) for names and IPv4 addresses, valid from yesterday on. */
export function createCertificate(hosts: readonly string[], validDays = 30): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(tlv(TAG.set, sequence(COMMON_NAME, tlv(TAG.utf8, Buffer.from('a receiver under test')))));
  const unsigned = sequence(
    tlv(CONSTRUCTED | 0, tlv(TAG.integer, Buffer.from([2]))),
    tlv(TAG.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    name,
    sequence(time(Date.now() - DAY_MS), time(Date.now() + validDays * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(
      CONSTRUCTED | 3,
      sequence(sequence(SUBJECT_ALT_NAME, tlv(TAG.octets, sequence(...hosts.map(alternativeName))))),
    ),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', unsigned, privateKey)]);
  const der = sequence(unsigned, ECDSA_SHA256, tlv(TAG.bits, signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
  };
}

function alternativeName(host: string): Buffer {
  if (isIP(host) === 4) return tlv(CONTEXT | 7, Buffer.from(host.split('.').map(Number)));
  return tlv(CONTEXT | 2, Buffer.from(host));
}

function time(ms: number): Buffer {
  const [date, clock] = new Date(ms).toISOString().slice(2, 19).replace(/[-:]/g, '').split('T');
  return tlv(TAG.time, Buffer.from(`${date}${clock}Z`));
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(TAG.sequence, ...parts);
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const length = value.length < 0x80 ? [value.length] : [0x82, value.length >> 8, value.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), value]);
}
