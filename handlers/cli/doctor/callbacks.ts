import type { Database } from '../../../db/client.ts';
import { type FailedDeliveries, recentFailedDeliveries } from '../../../db/delivery-failures.ts';
import { type Finding, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'callbacks';

/** What was given up lately, and what fails and is tried again, a line for each host. */
export async function checkCallbacks(
  database: Database,
  options: { callbackAllow: string; remedies: Remedies },
): Promise<Finding[]> {
  const failures = await recentFailedDeliveries(database);
  if (failures.length === 0) return [ok(check, 'none fails, and none was given up within a day')];
  return failures.map((failure) => warning(check, saysOf(failure), remedyOf(failure, options)));
}

function saysOf({ host, state, count, status, error, token }: FailedDeliveries): string {
  const why = status === null ? error : `it answered ${status}`;
  const [one, more] =
    state === 'dead' ? ['was given up within a day', 'were given up within a day'] : ['fails', 'fail'];
  const again = state === 'dead' ? '' : ', and will be tried again by itself';
  return `${count} to ${host} ${count === 1 ? one : more}; the last, of command ${token}: ${why}${again}`;
}

function remedyOf(
  { host, error, token }: FailedDeliveries,
  { callbackAllow, remedies }: { callbackAllow: string; remedies: Remedies },
): string {
  if (error === 'not_sent') return remedies.set('SECRET_KEY', 'THE_PRESENT_ONE,THE_ONE_BEFORE');
  if (error !== 'address_not_allowed') {
    return `curl -X POST -H 'Api-Key: KEY' -H 'Api-Secret: SECRET' http://127.0.0.1:3000/commands/${token}/deliveries (once ${host} answers 2xx)`;
  }
  const name = host.replace(/:\d+$/, '');
  return remedies.set('CALLBACK_ALLOW', callbackAllow === '' ? name : `${callbackAllow},${name}`);
}
