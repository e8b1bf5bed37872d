/** The checker on logs made by hand: a clean one, and for each invariant one that breaks it and nothing else. */
import { describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { checkRecords } from './checker.ts';
import type { Invariant } from './finding.ts';
import {
  called,
  delivered,
  fault,
  leaseMs,
  lost,
  moved,
  neverSent,
  recordsOf,
  seen,
  step,
  successor,
  taken,
  tell,
  unanswered,
  worker,
} from './hand-made-records.ts';
import type { ProcessRecord, Records } from './records.ts';

const found = (records: Records): Invariant[] => checkRecords(records).findings.map(({ invariant }) => invariant);
const [one, two, three] = [tell(1), tell(2), tell(3)];

test('finds nothing in a clean run, and counts it', () => {
  const { findings, counts } = checkRecords(recordsOf([one, two, three]));
  expect(findings).toEqual([]);
  expect(counts).toMatchObject({ posted: 3, accepted: 3, sent: 3, succeeded: 3, lost: 0, callbacks: 3, duplicates: 0 });
});

describe('promise 1', () => {
  test('missing', () => {
    expect(found(recordsOf([one, two], { commands: [one.command] }))).toEqual(['missing', 'callback_unasked']);
  });

  test('not_final', () => {
    const command: WireCommand = { ...two.command, state: 'queued', ran_at: null, result_data: null };
    expect(found(recordsOf([one, { ...neverSent(two), command }], { callbacks: [called(one.command)] }))).toEqual([
      'not_final',
    ]);
  });

  test('two_commands_of_one_key', () => {
    const again = { ...one.command, id: 9, token: 'token-9', callback_url: null };
    expect(found(recordsOf([one], { commands: [one.command, again] }))).toEqual(['two_commands_of_one_key']);
  });

  test('cancel_not_kept', () => {
    const cancel = { sentAt: 1110, answeredAt: 1120, status: 200 };
    expect(found(recordsOf([{ ...one, posted: { ...one.posted, cancel } }]))).toEqual(['cancel_not_kept']);
  });

  test('refused', () => {
    const tries = [{ sentAt: 900, answeredAt: 950, status: 422, error: '{}' }, ...one.posted.tries];
    const refused = [{ ...one, posted: { ...one.posted, tries } }];
    expect(found(recordsOf(refused))).toEqual(['refused']);
    const removed = (server: string, until: number) => ({ faults: [fault('server removed', 800, until, { server })] });
    expect(found(recordsOf(refused, removed('default', 2000)))).toEqual([]);
    expect(found(recordsOf(refused, removed('default', 890)))).toEqual(['refused']);
    expect(found(recordsOf(refused, removed('eu', 2000)))).toEqual(['refused']);
  });

  test.each([
    { asked: null, code: 1 },
    { asked: 'stop', code: null, signal: 'SIGKILL' },
  ] as const)('process_ended_by_itself: %o', (end) => {
    expect(found(recordsOf([one], { processes: [{ ...worker, ...end }] }))).toEqual(['process_ended_by_itself']);
  });
});

describe('promise 2', () => {
  test('sent_twice', () => {
    const again = moved(one, 5000).daemon.map((entry) => ('connection' in entry ? { ...entry, connection: 7 } : entry));
    expect(found(recordsOf([{ ...one, daemon: [...one.daemon, ...again] }]))).toEqual(['sent_twice']);
  });

  test('sent_to_another_server', () => {
    expect(found(recordsOf([one], { daemons: { default: [], eu: one.daemon } }))).toEqual(['sent_to_another_server']);
  });

  test('sent_though_said_unsent', () => {
    const command: WireCommand = { ...one.command, state: 'failed', reason: 'daemon_unavailable' };
    expect(found(recordsOf([{ ...one, command }]))).toEqual(['sent_though_said_unsent']);
    expect(found(recordsOf([{ ...neverSent(one), command }]))).toEqual([]);
  });

  test('removed_without_cause', () => {
    const command: WireCommand = { ...one.command, state: 'failed', reason: 'server_removed' };
    const told = [{ ...neverSent(one), command }];
    const other = { ...successor, servers: ['eu'] };
    const since = (endedAt: number, observed: number) => ({
      processes: [{ ...worker, endedAt }, other],
      observations: [seen(command, observed)],
    });
    expect(found(recordsOf(told))).toEqual(['removed_without_cause']);
    expect(found(recordsOf(told, since(2000, 6000)))).toEqual([]);
    expect(found(recordsOf(told, since(2000, 4000)))).toEqual(['removed_without_cause']);
    const back = { ...successor, startedAt: 2600 };
    const processes = [...since(2000, 9000).processes, back];
    expect(found(recordsOf(told, { ...since(2000, 9000), processes }))).toEqual([]);
    expect(found(recordsOf(told, { ...since(2000, 9000), processes, removedAfterMs: 6000 }))).toEqual([
      'removed_without_cause',
    ]);
    const frozen = [fault('worker frozen', 1000, 6000, { processes: [3] })];
    const only = { processes: [worker, other], observations: [seen(command, 6000)] };
    expect(found(recordsOf(told, { ...only, faults: frozen }))).toEqual([]);
  });

  test('result_without_answer', () => {
    expect(found(recordsOf([neverSent(one)]))).toEqual(['result_without_answer']);
    expect(found(recordsOf([unanswered(one)]))).toEqual(['result_without_answer']);
  });

  test('result_of_another', () => {
    const command = { ...one.command, result_data: two.command.result_data };
    expect(found(recordsOf([{ ...one, command }]))).toEqual(['result_of_another']);
  });

  test('timed_out_early', () => {
    const command: WireCommand = { ...one.command, state: 'timed_out', reason: 'command_timed_out' };
    expect(found(recordsOf([{ ...one, command }]))).toEqual(['timed_out_early']);
    expect(found(recordsOf([{ ...one, command: { ...command, duration_ms: 30_001 } }]))).toEqual([]);
  });

  test('lost_without_cause', () => {
    const phases = [step(1, 'claimed', 1190), step(1, 'sent', 1199)];
    const killed: ProcessRecord = { ...worker, endedAt: 1250, signal: 'SIGKILL', code: null, asked: 'kill' };
    expect(found(recordsOf([lost(one)], { phases }))).toEqual(['lost_without_cause']);
    expect(found(recordsOf([lost(one)], { phases, processes: [killed] }))).toEqual([]);
    const stored = [...phases, step(1, 'stored', 1240)];
    expect(found(recordsOf([lost(one)], { phases: stored, processes: [killed] }))).toEqual(['lost_without_cause']);
    const otherKilled = { ...killed, process: 4 };
    expect(found(recordsOf([lost(one)], { phases, processes: [worker, otherKilled] }))).toEqual(['lost_without_cause']);
  });

  test('lost to a worker that lives only with its lease, and by its own fault', () => {
    const phases = [step(1, 'claimed', 1190), step(1, 'sent', 1199)];
    const faults = [fault('worker frozen', 1220, 5300, { processes: [3] })];
    const leases = [taken(4, 2, 3300, 3)];
    expect(found(recordsOf([lost(one)], { phases, faults }))).toEqual(['lost_without_cause']);
    expect(found(recordsOf([lost(one)], { phases, faults, leases }))).toEqual([]);
  });

  test('lost to a worker that tells of its claim only when it goes on', () => {
    const phases = [step(1, 'claimed', 5400)];
    const faults = [fault('worker frozen', 1195, 5350, { processes: [3] })];
    const leases = [taken(4, 2, 3300, 3)];
    const observations = [seen(lost(one).command, 6000)];
    const told = [neverSent(lost(one))];
    const stalls = [{ process: 3, from: 1190, until: 5360 }];
    expect(found(recordsOf(told, { phases, faults, leases, observations }))).toEqual(['lost_without_cause']);
    expect(found(recordsOf(told, { phases, faults, leases, observations, stalls }))).toEqual([]);
  });

  test('lost with its server, and by its worker’s own fault', () => {
    const phases = [step(1, 'claimed', 1190), step(1, 'sent', 1199)];
    const frozen = fault('worker frozen', 1220, 5300, { processes: [3] });
    const removed = (server: string) => fault('server removed', 900, 9000, { server });
    expect(found(recordsOf([lost(one)], { phases, faults: [removed('default')] }))).toEqual(['lost_without_cause']);
    expect(found(recordsOf([lost(one)], { phases, faults: [frozen, removed('default')] }))).toEqual([]);
    expect(found(recordsOf([lost(one)], { phases, faults: [frozen, removed('eu')] }))).toEqual(['lost_without_cause']);
  });

  test('lost where the daemon’s answer was not had', () => {
    const faults = [fault('daemon killed', 1250, 1900, { server: 'default' })];
    expect(found(recordsOf([unanswered(lost(one))], { faults }))).toEqual([]);
    expect(found(recordsOf([unanswered(lost(one))]))).toEqual(['lost_without_cause']);
    const answeredBefore = [fault('daemon killed', 1400, 1900, { server: 'default' })];
    expect(found(recordsOf([lost(one)], { faults: answeredBefore }))).toEqual(['lost_without_cause']);
    const cutOff = { ...lost(one), posted: { ...one.posted, behaviour: 'cut_off' as const } };
    expect(found(recordsOf([cutOff]))).toEqual([]);
  });

  test('more_lost_than_faults', () => {
    const faults = [fault('daemon killed', 1250, 2900, { server: 'default' })];
    const told = [unanswered(lost(one)), unanswered(lost(two))];
    expect(found(recordsOf(told, { faults }))).toEqual(['more_lost_than_faults']);
    expect(found(recordsOf(told, { faults: [...faults, ...faults] }))).toEqual([]);
  });
});

describe('promise 3', () => {
  test('overlap, but for a daemon restarted without its lock and a worker frozen before its write', () => {
    const told = [one, moved(two, -950)];
    const early = { ...two.posted, tries: one.posted.tries };
    const overlapping = [one, { ...moved(two, -950), posted: early }];
    expect(found(recordsOf(told))).toContain('overlap');
    expect(found(recordsOf(overlapping))).toEqual(['overlap']);
    const faults = [fault('daemon restarted', 1220, 1240, { server: 'default', dropsLock: true })];
    expect(found(recordsOf(overlapping, { faults }))).toEqual([]);
    const kept = [fault('daemon restarted', 1220, 1240, { server: 'default' })];
    expect(found(recordsOf(overlapping, { faults: kept }))).toEqual(['overlap']);
    expect(found(recordsOf(overlapping, { phases: [step(2, 'sent', 1249, { lookedAt: 1249 - leaseMs })] }))).toEqual(
      [],
    );
  });

  test('reordered', () => {
    expect(found(recordsOf([moved(one, 1500), two]))).toEqual(['reordered']);
  });

  test('ids_out_of_order', () => {
    const [a, b] = [one, two].map((told, index) => {
      const id = 2 - index;
      return { ...told, command: { ...told.command, id }, posted: { ...told.posted, ids: [id] } };
    });
    const both = [a, b].filter((told) => told !== undefined);
    expect(found(recordsOf(both))).toEqual(['ids_out_of_order']);
  });

  test('sent_without_lease, but for a worker frozen before its write', () => {
    const leases = [taken(4, 2, 1150, null)];
    expect(found(recordsOf([one], { leases, phases: [step(1, 'sent', 1199)] }))).toEqual(['sent_without_lease']);
    expect(found(recordsOf([one], { leases, phases: [step(1, 'sent', 1199, { epoch: 2 })] }))).toEqual([]);
    expect(found(recordsOf([one], { leases, phases: [step(1, 'sent', 1199, { lookedAt: 300 })] }))).toEqual([]);
  });

  test('lease_stolen', () => {
    const leases = [taken(4, 2, 9000, 3)];
    expect(found(recordsOf([one], { leases }))).toEqual(['lease_stolen']);
    expect(found(recordsOf([one], { leases, processes: [{ ...worker, endedAt: 6000 }, successor] }))).toEqual([]);
    expect(found(recordsOf([one], { leases, stalls: [{ process: 3, from: 6500, until: 9500 }] }))).toEqual([]);
    const abandoned = { ...taken(3, 1, 7000, null), epoch: null, kind: 'abandoned' } as const;
    expect(found(recordsOf([one], { leases: [abandoned, ...leases] }))).toEqual([]);
    const heldAgain = [abandoned, taken(3, 1, 7500, null), ...leases];
    expect(found(recordsOf([one], { leases: heldAgain }))).toEqual(['lease_stolen']);
    const elsewhere = [fault('worker frozen', 6500, 9500, { processes: [5] })];
    expect(found(recordsOf([one], { leases, faults: elsewhere }))).toEqual(['lease_stolen']);
  });
});

describe('promise 4', () => {
  test('changed_after_final', () => {
    const before: WireCommand = { ...one.command, state: 'lost', reason: 'command_lost' };
    const observations = [seen(before, 5000), seen(one.command, 6000)];
    expect(found(recordsOf([one], { observations }))).toEqual(['changed_after_final']);
    const queued: WireCommand = { ...one.command, state: 'queued', ran_at: null, result_data: null };
    expect(found(recordsOf([one], { observations: [seen(queued, 5000), seen(one.command, 6000)] }))).toEqual([]);
    expect(found(recordsOf([one], { observations: [seen(one.command, 5000), seen(queued, 6000)] }))).toEqual([
      'changed_after_final',
    ]);
    const inStream = [seen(one.command, 5000, 'events 1'), seen(queued, 6000, 'events 2')];
    expect(found(recordsOf([one], { observations: inStream }))).toEqual([]);
  });

  test('time_of_another_clock', () => {
    for (const changes of [
      { ran_at: '2026-01-01T01:00:01+00:00' },
      { started_at: '2025-12-31T23:00:01+00:00' },
      { created_at: 'at no time' },
    ]) {
      expect(found(recordsOf([{ ...one, command: { ...one.command, ...changes } }]))).toEqual([
        'time_of_another_clock',
      ]);
    }
  });

  test('late_result_changed', () => {
    const late = { ...one.command, late_result_data: { ok: true, output: 'late' } };
    expect(found(recordsOf([one], { observations: [seen(one.command, 5000), seen(late, 6000)] }))).toEqual([]);
    expect(found(recordsOf([one], { observations: [seen(late, 5000), seen(one.command, 6000)] }))).toEqual([
      'late_result_changed',
    ]);
  });
});

describe('promise 5', () => {
  test('no_delivery', () => {
    expect(found(recordsOf([one], { deliveries: {}, callbacks: [] }))).toEqual(['no_delivery']);
    const due = { [one.command.token]: delivered(one.command, 'pending') };
    expect(found(recordsOf([one], { deliveries: due, callbacks: [] }))).toEqual([]);
    expect(found(recordsOf([one], { callbacks: [] }))).toEqual(['no_delivery']);
  });

  test('webhook_id_differs', () => {
    const callbacks = [called(one.command), { ...called(one.command), webhookId: 'another' }];
    expect(found(recordsOf([one], { callbacks }))).toEqual(['webhook_id_differs']);
  });

  test('callback_differs', () => {
    const callbacks = [{ ...called(one.command), body: JSON.stringify({ ...one.command, state: 'lost' }) }];
    expect(found(recordsOf([one], { callbacks }))).toEqual(['callback_differs']);
  });

  test('callback_unasked', () => {
    const callbacks = [called(one.command), { ...called(one.command), url: 'http://receiver/other' }];
    expect(found(recordsOf([one], { callbacks }))).toEqual(['callback_unasked']);
  });
});

test('counts a kill by its step, and whether commands waited', () => {
  const killed: ProcessRecord = { ...worker, endedAt: 1250, signal: 'SIGKILL', code: null, asked: 'kill' };
  const phases = [step(1, 'claimed', 1190), step(1, 'sent', 1199, { signal: 'SIGKILL' })];
  const waiting = { ...moved(three, 0), posted: { ...three.posted, acceptedAt: 1150 } };
  const alone = checkRecords(recordsOf([lost(one)], { phases, processes: [killed] })).counts;
  expect(alone).toMatchObject({ kills: { sent: 1 }, worker_kills: 1, worker_kills_with_queue: 0 });
  const { counts } = checkRecords(recordsOf([lost(one), waiting], { phases, processes: [killed] }));
  expect(counts).toMatchObject({ worker_kills: 1, worker_kills_with_queue: 1 });
});
