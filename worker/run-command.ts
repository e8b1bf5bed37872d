/**
 * One run: claim → send → classify → finish. What is not proved to be unsent is never sent again: an error that is not
 * handled here ends the process, and the successor finds the row `lost`.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { classifyFailedQuery, databaseErrorCode } from '../db/client.ts';
import type { RunResult } from '../db/commands.ts';
import type { CommandRow } from '../db/schema.ts';
import type { DaemonConnection, Outcome } from '../lib/daemon/connection.ts';
import { inTime } from '../lib/in-time.ts';
import { answered } from './answered.ts';
import { backoffMs, pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import type { HeldLease } from './held-lease.ts';

const uniqueViolation = '23505';

/** Characters of a result that is stored with those of other servers: a longer one would hold them up. */
const sharedOutputAtMost = 65_536;

/**
 * Claims the server's oldest queued command. A claim whose answer was not had is looked up: only a row that is seen
 * `running` under this lease's epoch was claimed. Where a try brought nothing that can be relied on, another look follows.
 * @returns null where there is nothing to claim, or the lease is not ours, or the server blocked
 */
export async function claim(context: WorkerContext, lease: HeldLease): Promise<CommandRow | null> {
  context.onPhase('claiming', null);
  try {
    return await context.commands.claim(lease);
  } catch (error) {
    if (databaseErrorCode(error) === uniqueViolation) {
      await clearTheWay(context, lease);
      lease.attention.notify();
      return null;
    }
    if (classifyFailedQuery(error) === 'rejected') throw error;
    context.log.warn({ server: lease.server, code: databaseErrorCode(error) }, 'claim failed');
    lease.attention.notify();
    return await findClaimed(context, lease);
  }
}

/** Ends what an earlier holder of the lease left running; tried until Postgres answers or the lease ends. */
export async function clearTheWay(context: WorkerContext, lease: HeldLease): Promise<void> {
  const ended = await untilAnswered(context, lease, 'clearing the way', () => context.commands.clearTheWay(lease));
  for (const row of ended?.lost ?? []) {
    lease.blocked = true;
    context.log.warn({ ...nameOf(row), state: row.state, reason: row.reason }, 'command lost');
    context.announceChange(row);
  }
  for (const row of ended?.putBack ?? []) notePutBack(context, row);
}

async function findClaimed(context: WorkerContext, lease: HeldLease): Promise<CommandRow | null> {
  const row = await untilAnswered(context, lease, 'looking up a claim', () => context.commands.findClaimed(lease));
  return row ?? null;
}

/** What a run leaves to the next one of its server. */
export type Ran = {
  /** Claimed with the end of the run; null where there was nothing to claim, undefined where no claim was tried. */
  next: CommandRow | null | undefined;
  /** A command whose end is stored and told to nobody yet: that waits until the next one is sent. */
  untold: CommandRow | null;
};

const nothingClaimed: Ran = { next: undefined, untold: null };

/**
 * Sends a claimed command on the connection and stores how it ended.
 * Resolves when the final state is stored, or the row is back in the queue; with the server's next command, claimed in
 * the same transaction, where `mayClaim` said at that moment that it could be sent at once.
 */
export async function runCommand(
  context: WorkerContext,
  lease: HeldLease,
  connection: DaemonConnection,
  row: CommandRow,
  { untold, mayClaim }: Pick<Ran, 'untold'> & { mayClaim: () => boolean },
): Promise<Ran> {
  context.onPhase('claimed', row);
  // Lets an end of the connection that is already here be seen.
  await setImmediate();
  const sendable = lease.fresh && connection.usable;
  const started = context.now();
  const outcome = sendable ? connection.send(row.command) : null;
  if (untold !== null) noteEnd(context, lease, untold);
  if (outcome === null) {
    await putBack(context, lease, row);
    return nothingClaimed;
  }
  context.onPhase('sent', row);
  context.log.info(nameOf(row), 'command sent');
  context.announceChange(row);
  // Null where the time ran out first; the outcome's promise stays good for the late answer.
  const first = await inTime(outcome, row.timeoutSeconds * 1000, () => null);
  if (first !== null && first.kind === 'unsent') {
    await putBack(context, lease, row);
    return nothingClaimed;
  }
  if (first !== null) context.onPhase('answered', row);
  if (first?.kind === 'unanswered') {
    context.log.warn({ ...nameOf(row), why: first.why, err: first.error }, 'a command that was sent has no answer');
  }
  const ran = await store(context, lease, row, runResult(first, context.now() - started), mayClaim);
  context.onPhase('stored', row);
  if (first === null) recordLate(context, lease, connection, row, outcome);
  return ran;
}

function runResult(outcome: Exclude<Outcome, { kind: 'unsent' }> | null, durationMs: number): RunResult {
  if (outcome === null) return { kind: 'no_reply', reason: 'command_timed_out', durationMs };
  switch (outcome.kind) {
    case 'reply':
      return { kind: 'reply', ok: outcome.ok, output: outcome.output, truncated: outcome.truncated, durationMs };
    case 'unanswered':
      return { kind: 'no_reply', reason: 'command_lost', durationMs };
  }
}

/**
 * Stores the result, tried until Postgres has it or shows that the row is ended already. A result that came after the
 * row was taken away by a successor is recorded as late.
 */
async function store(
  context: WorkerContext,
  lease: HeldLease,
  row: CommandRow,
  result: RunResult,
  mayClaim: () => boolean,
): Promise<Ran> {
  if (result.kind === 'reply' && result.output.length <= sharedOutputAtMost && mayClaim()) {
    const stored = await answered(context, nameOf(row), 'result not stored yet', () =>
      context.commands.finishAndClaim(row.id, lease, result),
    );
    if (stored) {
      const { ended, next } = stored;
      if (next === null) noteEnd(context, lease, ended);
      return { next, untold: next === null ? null : ended };
    }
    await storeAlone(context, lease, row, result);
    // The answer that was not had may have told of a claim.
    return { next: (await findClaimed(context, lease)) ?? undefined, untold: null };
  }
  await storeAlone(context, lease, row, result);
  return nothingClaimed;
}

async function storeAlone(context: WorkerContext, lease: HeldLease, row: CommandRow, result: RunResult): Promise<void> {
  const storeOnce = async () => {
    const ended = await context.commands.finish(row.id, lease, result);
    if (ended === null) await settleEnded(context, lease, row, result);
    else noteEnd(context, lease, ended);
    return true;
  };
  for (let failures = 0; ; failures++) {
    if (await answered(context, nameOf(row), 'result not stored yet', storeOnce)) return;
    await sleep(backoffMs(failures, 1000));
  }
}

/** The row was not `running` under this epoch any more: stored by an earlier try, or ended by a successor. */
async function settleEnded(context: WorkerContext, lease: HeldLease, row: CommandRow, result: RunResult) {
  const found = await context.commands.findByToken(row.token);
  if (found === null) return;
  if (found.state === 'timed_out' || found.state === 'lost') lease.blocked = true;
  if (result.kind === 'reply' && found.state !== 'succeeded' && found.state !== 'failed') {
    const late = await context.commands.recordLateResult(row.id, { ok: result.ok, output: result.output });
    if (late !== null) noteLate(context, late);
    return;
  }
  context.announceChange(found);
}

/**
 * Reads on after a time-out: what Dokku still answers is kept beside the result. A process that is to stop does not: the
 * answer may never come, and until then the connection would hold the process open.
 */
function recordLate(
  context: WorkerContext,
  lease: HeldLease,
  connection: DaemonConnection,
  row: CommandRow,
  outcome: Promise<Outcome>,
): void {
  const giveUp = () => connection.destroy();
  context.stopping.addEventListener('abort', giveUp, { once: true });
  if (context.stopping.aborted) giveUp();
  const record = async () => {
    const late = await outcome;
    context.stopping.removeEventListener('abort', giveUp);
    if (late.kind !== 'reply') return;
    const recorded = await untilAnswered(context, lease, 'recording a late result', () =>
      context.commands.recordLateResult(row.id, { ok: late.ok, output: late.output }),
    );
    if (recorded) noteLate(context, recorded);
  };
  record().catch((error: unknown) => {
    context.log.error({ ...nameOf(row), err: error }, 'late result not recorded');
  });
}

/** Provably unsent: back to the queue, where it keeps its place. */
async function putBack(context: WorkerContext, lease: HeldLease, row: CommandRow): Promise<void> {
  const back = await untilAnswered(context, lease, 'putting a command back', () => context.commands.putBack(row));
  if (back) notePutBack(context, back);
}

function notePutBack(context: WorkerContext, row: CommandRow): void {
  context.log.info(nameOf(row), 'command put back: it was not sent');
  context.announceChange(row);
}

function noteLate(context: WorkerContext, row: CommandRow): void {
  context.log.info({ ...nameOf(row), ok: row.lateOk }, 'late result recorded');
  context.announceChange(row);
}

/** Tries until Postgres answers; null where the lease ended first, since then a successor sees to the row. */
async function untilAnswered<Result>(
  context: WorkerContext,
  lease: HeldLease,
  what: string,
  query: () => Promise<Result>,
): Promise<Result | null> {
  for (let failures = 0; !lease.ended || failures === 0; failures++) {
    const result = await answered(context, { server: lease.server }, `${what} failed`, query);
    if (result !== undefined) return result;
    await pause(backoffMs(failures, 1000), lease.signal);
  }
  return null;
}

function noteEnd(context: WorkerContext, lease: HeldLease, row: CommandRow): void {
  const { state, reason, durationMs } = row;
  if (state === 'timed_out' || state === 'lost') lease.blocked = true;
  context.log.info({ ...nameOf(row), state, reason, duration_ms: durationMs }, 'command ended');
  context.announceChange(row);
}

/** How a command is told in the log: never by its text. */
function nameOf({ server, token, requestId }: CommandRow) {
  return { server, token, request_id: requestId };
}
