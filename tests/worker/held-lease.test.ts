import { expect, test } from 'vitest';
import { HeldLease } from '../../worker/held-lease.ts';

function leaseAt() {
  const clock = { now: 1000 };
  const told = { idle: 0 };
  const lease = new HeldLease(
    { server: 'default', owner: 'first', epoch: 1, blocked: false },
    { now: () => clock.now, leaseMs: 10_000, beatBegan: 1000, onIdle: () => told.idle++ },
  );
  return { lease, clock, told };
}

test('may send for seven tenths of a lease after the last beat began', () => {
  const { lease, clock } = leaseAt();
  clock.now += 7000;
  expect(lease.fresh).toBe(true);
  clock.now += 1;
  expect(lease.fresh).toBe(false);
  lease.confirm(clock.now - 500);
  expect(lease.fresh).toBe(true);
});

test('a beat that answers late does not count for more than when it began', () => {
  const { lease, clock } = leaseAt();
  clock.now += 8000;
  lease.confirm(900);
  expect(lease.fresh).toBe(false);
});

test('an ended lease is never fresh again', () => {
  const { lease, clock } = leaseAt();
  lease.end();
  lease.confirm(clock.now);
  expect(lease.fresh).toBe(false);
  expect(lease.signal.aborted).toBe(true);
});

test('tells when it becomes idle, and not when it gets something to do', () => {
  const { lease, told } = leaseAt();
  lease.idle = true;
  expect(told.idle).toBe(1);
  lease.idle = false;
  expect(told.idle).toBe(1);
});
