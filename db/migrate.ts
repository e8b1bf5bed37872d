/** The `release` process. It says what was done, or in one line why it was not, and ends with 1 then. */
import { ConfigError } from '../lib/config.ts';
import { classifyFailedQuery, databaseErrorCode, unwrap } from './client.ts';
import { release } from './release.ts';

/** One line, that says what is to be done. */
function explained(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const cause = unwrap(error);
  const reason = cause instanceof Error ? cause.message || databaseErrorCode(error) : String(cause);
  const remedy =
    classifyFailedQuery(error) === 'rejected'
      ? 'Put that right, then run it again: it goes on where it stopped.'
      : 'Check DATABASE_URL and that Postgres accepts connections.';
  return `Migrating failed: ${reason}. ${remedy}`;
}

try {
  console.log(await release(process.env));
} catch (error) {
  console.error(explained(error));
  process.exitCode = 1;
}
