import type { Database } from '../../../db/client.ts';
import { type DeadDeliveries, recentDeadDeliveries } from '../../../db/delivery-failures.ts';
import { type Finding, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'callbacks';

/** What was given up lately, a line for each host. */
export async function checkCallbacks(
  database: Database,
  options: { callbackAllow: string; remedies: Remedies },
): Promise<Finding[]> {
  const dead = await recentDeadDeliveries(database);
  if (dead.length === 0) return [ok(check, 'none was given up within a day')];
  return dead.map((failure) => warning(check, saysOf(failure), remedyOf(failure, options)));
}

function saysOf({ host, count, status, error, token }: DeadDeliveries): string {
  const why = status === null ? error : `it answered ${status}`;
  return `${count} to ${host} ${count === 1 ? 'was' : 'were'} given up within a day; the last, of command ${token}: ${why}`;
}

function remedyOf(
  { host, error, token }: DeadDeliveries,
  { callbackAllow, remedies }: { callbackAllow: string; remedies: Remedies },
): string {
  if (error !== 'address_not_allowed') {
    return `curl -X POST -H 'Api-Key: KEY' -H 'Api-Secret: SECRET' http://127.0.0.1:3000/commands/${token}/deliveries (once ${host} answers 2xx)`;
  }
  const name = host.replace(/:\d+$/, '');
  return remedies.set('CALLBACK_ALLOW', callbackAllow === '' ? name : `${callbackAllow},${name}`);
}
