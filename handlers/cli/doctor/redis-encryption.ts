import { connect } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { Remedies } from './remedies.ts';

/** What is wrong, and what to do about it. */
type Problem = [says: string, remedy: string];

const probeWithinMs = 1000;

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * Why a connection does not become one that both sides read: the certificate, or TLS on one side only. Null where it is
 * something else.
 * @param options.correct the remedy by a URL with this scheme and place
 */
export async function encryptionProblem(
  error: Error,
  url: URL,
  { set, correct }: { set: Remedies['set']; correct: (scheme: string, place: string) => string },
): Promise<Problem | null> {
  const { protocol, hostname } = url;
  const port = Number(url.port || 6379);
  const place = `${hostname}:${port}`;
  const code = String(Reflect.get(error, 'code'));
  if (untrusted.has(code)) {
    const says = `its certificate is signed by an authority that is not trusted here (${code})`;
    return [says, set('NODE_EXTRA_CA_CERTS', '/path/to/the/authority.crt')];
  }
  if (code === 'CERT_HAS_EXPIRED') {
    const dates = `openssl s_client -connect ${place} < /dev/null | openssl x509 -noout -dates`;
    return ['its certificate has expired', `${dates} (it shows when; renew it)`];
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = namesIn(error);
    return [
      `its certificate is not for ${hostname}, but for ${names.join(', ') || 'no name'}`,
      correct(protocol, `${names[0] ?? 'NAME'}:${port}`),
    ];
  }
  if (protocol === 'redis:' && (await speaksTls(hostname, port))) {
    return ['it speaks TLS, and redis: does not', correct('rediss:', place)];
  }
  if (protocol === 'rediss:' && (await speaksPlainly(hostname, port))) {
    return ['it does not speak TLS, and rediss: does', correct('redis:', place)];
  }
  return null;
}

/** The names that the certificate is for: Node hands it along with the error. */
function namesIn(error: Error): string[] {
  const certificate: unknown = Reflect.get(error, 'cert');
  if (certificate === null || typeof certificate !== 'object' || !('subjectaltname' in certificate)) return [];
  return String(certificate.subjectaltname)
    .split(', ')
    .map((name) => name.replace(/^[^:]*:/, ''));
}

function speaksTls(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is said over it: whose certificate it is does not matter.
    const socket = connectSecurely({ host, port, rejectUnauthorized: false, timeout: probeWithinMs });
    const settle = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('secureConnect', () => settle(true));
    for (const event of ['timeout', 'error', 'close']) socket.once(event, () => settle(false));
  });
}

/** Any Redis answers PING, if only to say that it wants a password first. */
function speaksPlainly(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: probeWithinMs }, () => socket.write('PING\r\n'));
    const settle = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('data', (answer) => settle(/^(\+PONG|-NOAUTH)/.test(answer.toString())));
    for (const event of ['timeout', 'error', 'close']) socket.once(event, () => settle(false));
  });
}
