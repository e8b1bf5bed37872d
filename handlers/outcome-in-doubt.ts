import { classifyFailedQuery } from '../db/client.ts';
import { ApiError } from '../lib/errors.ts';

/**
 * Waits for a change of a command that is not made a second time when its answer was not had.
 * @throws ApiError `outcome_unknown` then; else whatever the change throws
 */
export async function outcomeInDoubt<Result>(token: string, change: Promise<Result>): Promise<Result> {
  try {
    return await change;
  } catch (cause) {
    if (cause instanceof ApiError || classifyFailedQuery(cause) !== 'outcome_unknown') throw cause;
    throw new ApiError(
      'outcome_unknown',
      'The database went away while the change was being stored. Location says what became of it.',
      { headers: { Location: `/commands/${token}`, 'Retry-After': '5' }, cause },
    );
  }
}
