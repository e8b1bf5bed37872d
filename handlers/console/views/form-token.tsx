import { randomUUID } from 'node:crypto';
import type { Session } from '../session.ts';

/** What every form of the console carries, so that no page of another site can send it. */
export function FormToken({ session }: { session: Session }) {
  return <input type="hidden" name="form_token" value={session.formToken} />;
}

/** Makes a form that is sent twice ask for one thing only. */
export function SentOnce() {
  return <input type="hidden" name="form_id" value={randomUUID()} />;
}
