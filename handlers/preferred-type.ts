/** Which of the forms of an answer an `Accept` header asks for (RFC 9110, 12.5.1). */
import { type Accept, parseAccept } from 'hono/utils/accept';

/** Whether RFC 9457's form is asked for: by name, and not less than plain JSON. Who knows of neither gets plain JSON. */
export function prefersProblem(accept: string | undefined): boolean {
  const accepted = parseAccept(accept ?? '');
  const problem = accepted.find(({ type }) => type.toLowerCase() === 'application/problem+json')?.q ?? 0;
  return problem > 0 && problem >= quality(accepted, 'application', 'json');
}

/** Whether plain text is wanted more than JSON; `*` and no header at all prefer neither. */
export function prefersText(accept: string | undefined): boolean {
  const accepted = parseAccept(accept ?? '');
  return quality(accepted, 'text', 'plain') > quality(accepted, 'application', 'json');
}

/** The most specific range that holds the type decides. */
function quality(accepted: readonly Accept[], type: string, subtype: string): number {
  for (const range of [`${type}/${subtype}`, `${type}/*`, '*/*']) {
    const entry = accepted.find((candidate) => candidate.type.toLowerCase() === range);
    if (entry !== undefined) return entry.q;
  }
  return 0;
}
