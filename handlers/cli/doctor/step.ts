import { unwrap } from '../../../db/client.ts';
import { type Finding, failed } from './finding.ts';

/** A check under way, and its name for the case that it brings no finding of its own. */
export type Step = { check: string; findings: Promise<Finding[]> };

export const onceMore = 'npm run -s doctor (once more; where it stays so, see what the lines above say)';

/** What a check comes to whose look failed on the way. */
export function brokenOff(check: string, error: unknown): Finding {
  const cause = unwrap(error);
  return failed(check, cause instanceof Error ? cause.message : String(cause), onceMore);
}
