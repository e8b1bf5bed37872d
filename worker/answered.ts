import { classifyFailedQuery, databaseErrorCode } from '../db/client.ts';
import type { WorkerContext } from './context.ts';

/**
 * One try of a query: undefined where Postgres is away or refuses for now, which is logged as `failure`.
 * @throws what is wrong with the query itself, and no later try can mend
 */
export async function answered<Result>(
  { log }: Pick<WorkerContext, 'log'>,
  about: object,
  failure: string,
  query: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await query();
  } catch (error) {
    if (classifyFailedQuery(error) === 'rejected') throw error;
    log.warn({ ...about, code: databaseErrorCode(error) }, failure);
    return undefined;
  }
}
