import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import type { RunPostgres } from './run-postgres.ts';

interface RunServices {
  postgres: RunPostgres;
  redis: unknown;
}

/** Asks the test run for what all files share; the first to ask waits for its start. */
export async function runService<Name extends keyof RunServices>(name: Name): Promise<RunServices[Name]> {
  const socket = connect(inject('runServices'));
  socket.write(name);
  const answer = JSON.parse(await text(socket)) as { value: RunServices[Name]; error?: string };
  if (answer.error !== undefined) throw new Error(`The test run could not start ${name}: ${answer.error}`);
  return answer.value;
}
