import type { AttemptRow } from '../../../db/deliveries.ts';

/** What the word that an attempt is stored with means for whoever looks why a callback does not come. */
const failures: Readonly<Record<string, string>> = {
  invalid_url: 'The URL cannot be read.',
  address_not_allowed: 'Not called: its address is not a public one, and CALLBACK_ALLOW does not name it.',
  name_not_resolved: 'The name of the host is not known.',
  connection_refused: 'Nothing listens there: the connection was refused.',
  connection_closed: 'The connection ended before an answer came.',
  connection_failed: 'No connection could be made.',
  connect_timeout: 'No connection within 5 seconds.',
  timeout: 'No answer within 15 seconds.',
  tls_error: 'TLS failed: look at the certificate of the host.',
  invalid_answer: 'What answers there is no HTTP server.',
  redirected: 'It redirects, which is not followed: give the final URL.',
  not_sent:
    'It could not be signed: SECRET_KEY was changed without the old one beside it. npm run -s doctor says more.',
};

/** How an attempt at a callback ended. */
export function CallbackResult({ attempt: { status, error } }: { attempt: Pick<AttemptRow, 'status' | 'error'> }) {
  const meaning = status === 410 ? 'It asks not to be sent any more.' : failures[error ?? ''];
  return (
    <>
      {meaning !== undefined && <span class="attempt-meaning">{meaning}</span>}
      <span class={meaning === undefined ? 'nowrap' : 'nowrap hint attempt-word'}>
        {status === null ? (error ?? 'no answer') : `HTTP ${status}`}
      </span>
    </>
  );
}
