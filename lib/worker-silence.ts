import type { Config } from './config.ts';

/**
 * After so many seconds without a sign of life, by Postgres' clock, whoever only looks takes a worker for gone: a lease,
 * and a little more for a beat that comes late. What becomes of its leases is decided by other workers alone.
 */
export function silenceSeconds({ leaseSeconds }: Pick<Config, 'leaseSeconds'>): number {
  return leaseSeconds + 1;
}
