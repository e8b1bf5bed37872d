/** Promises 1, 2 and 4: what became of each command, and what of it reached a daemon. */
import { isFinal, type WireCommand } from '../../lib/command.ts';
import type { Finding } from './finding.ts';
import type { History } from './history.ts';
import type { Observation, PostedLine, PostTry, ProcessRecord } from './records.ts';

/** States whose reason says that nothing was ever written to the daemon. */
const neverSent = new Set(['command_canceled', 'daemon_unavailable', 'server_removed']);

export function checkCommands(history: History): Finding[] {
  const { lines, commands, processes } = history.records;
  const byLine = new Map<string, WireCommand[]>();
  for (const command of commands) byLine.set(command.command, [...(byLine.get(command.command) ?? []), command]);
  const findings = lines.flatMap((posted) => {
    const found = byLine.get(posted.line) ?? [];
    return [
      ...checkAccepted(history, posted, found),
      ...checkSending(history, posted),
      ...found.flatMap((command) => [
        ...checkResult(history, posted, command),
        ...checkRemoval(history, command),
        ...checkTimes(history, command),
      ]),
    ];
  });
  for (const { place, process, asked, endedAt, code, signal } of processes) {
    if (endedAt === null || asked === 'kill' || (asked === 'stop' && code === 0)) continue;
    const how = asked === 'stop' ? 'was told to stop and' : 'by itself';
    findings.push({
      invariant: 'process_ended_by_itself',
      what: `${place} (process ${process}) ${how} ended with ${signal ?? code}`,
    });
  }
  return findings;
}

function checkAccepted(history: History, posted: PostedLine, found: readonly WireCommand[]): Finding[] {
  const findings: Finding[] = [];
  const tokens = new Set([...posted.tokens, ...found.map(({ token }) => token)]);
  if (tokens.size > 1) {
    findings.push({ invariant: 'two_commands_of_one_key', what: `${posted.line} became ${[...tokens].join(', ')}` });
  }
  const refusal = posted.tries.find((posting) => isRefusal(posting) && !isOfRemovedServer(history, posted, posting));
  if (refusal !== undefined) {
    findings.push({ invariant: 'refused', what: `${posted.line} was answered ${refusal.status}: ${refusal.error}` });
  }
  for (const token of new Set(posted.tokens)) {
    if (!found.some((command) => command.token === token && posted.ids.includes(command.id))) {
      findings.push({ invariant: 'missing', what: `${token} (${posted.line}) was answered 2xx and is not there` });
    }
  }
  for (const command of found) {
    if (!isFinal(command.state)) {
      findings.push({ invariant: 'not_final', what: `${command.token} (${posted.line}) is still ${command.state}` });
    }
    if (posted.cancel?.status === 200 && command.state !== 'canceled') {
      findings.push({ invariant: 'cancel_not_kept', what: `${command.token} was canceled and is ${command.state}` });
    }
  }
  return findings;
}

function isRefusal({ status }: PostTry): boolean {
  return status !== null && status >= 400 && status < 500;
}

/** A web process that does not have the server configured says so. */
function isOfRemovedServer(
  { records }: History,
  { server }: PostedLine,
  { sentAt, answeredAt, status }: PostTry,
): boolean {
  return (
    status === 422 &&
    records.faults.some(
      (fault) =>
        fault.kind === 'server removed' &&
        fault.server === server &&
        sentAt <= fault.until &&
        (answeredAt ?? sentAt) >= fault.at,
    )
  );
}

function checkSending(history: History, posted: PostedLine): Finding[] {
  const arrivals = history.arrivalsOf(posted.line);
  const findings: Finding[] = [];
  if (arrivals.length > 1) {
    const times = arrivals.map(({ server, at }) => `${server} at ${at.toFixed(1)}`).join(' and ');
    findings.push({ invariant: 'sent_twice', what: `${posted.line} reached ${times}` });
  }
  const elsewhere = arrivals.find(({ server }) => server !== posted.server);
  if (elsewhere !== undefined) {
    const what = `${posted.line} is for ${posted.server} and reached ${elsewhere.server}`;
    findings.push({ invariant: 'sent_to_another_server', what });
  }
  return findings;
}

function checkResult(history: History, posted: PostedLine, command: WireCommand): Finding[] {
  const { token, state, reason } = command;
  const [arrival] = history.arrivalsOf(posted.line);
  const name = `${token} (${posted.line}, ${posted.behaviour})`;
  if (reason !== null && neverSent.has(reason)) {
    if (arrival === undefined) return [];
    return [{ invariant: 'sent_though_said_unsent', what: `${name} is ${reason} and reached ${arrival.server}` }];
  }
  if (state === 'timed_out' && (command.duration_ms ?? 0) < command.timeout * 1000 - 10) {
    const what = `${name} timed out after ${command.duration_ms} ms of ${command.timeout} s`;
    return [{ invariant: 'timed_out_early', what }];
  }
  if (reason !== null || !isFinal(state)) return [];
  if (arrival === undefined || arrival.repliedAt === null) {
    const what = `${name} is ${state}, and the daemon ${arrival ? 'did not answer it' : 'never had it'}`;
    return [{ invariant: 'result_without_answer', what }];
  }
  if (posted.behaviour !== 'large' && !command.result_data?.output.includes(posted.mark)) {
    const what = `${name} has another's output: ${JSON.stringify(command.result_data).slice(0, 200)}`;
    return [{ invariant: 'result_of_another', what }];
  }
  return [];
}

/** Work on processes and their starts and ends shows a moment later in the tables. */
const slackMs = 500;
/** From its start a process has this long to be on the list of workers. */
const listedWithinMs = 3000;

/** A server counts as removed when no worker that lives has had it on its list for so long. */
function checkRemoval(history: History, { token, server, reason }: WireCommand): Finding[] {
  if (reason !== 'server_removed') return [];
  const { processes, removedAfterMs, faults, stalls } = history.records;
  const workers = processes.filter(({ role }) => role === 'worker');
  const listing = workers.filter(({ servers }) => servers.includes(server));
  const isAbsent = ({ process, startedAt, endedAt }: ProcessRecord, from: number, until: number) =>
    (endedAt !== null && endedAt <= from + slackMs) ||
    startedAt + listedWithinMs >= until ||
    faults.some((fault) => fault.processes.includes(process) && fault.until >= from && fault.at <= until) ||
    stalls.some((stall) => stall.process === process && stall.until >= from && stall.from <= until);
  // Since the last one that had it ended, or the first one that does not have it began to look.
  const begins = workers.map((process) => (listing.includes(process) ? process.endedAt : process.startedAt));
  const wasRemoved = begins.some((begin) => {
    const from = begin ?? Number.POSITIVE_INFINITY;
    const until = from + removedAfterMs - slackMs;
    return until <= history.finalSeenAt(token) && listing.every((process) => isAbsent(process, from, until));
  });
  if (wasRemoved) return [];
  return [
    { invariant: 'removed_without_cause', what: `${token} is server_removed, and a worker had ${server} configured` },
  ];
}

/** Stored times are Postgres' own, whatever the clock of a process says. Of a time the wire has whole seconds. */
function checkTimes({ records }: History, { token, created_at, started_at, ran_at }: WireCommand): Finding[] {
  const { from, until } = records.wallClock;
  return [created_at, started_at, ran_at].flatMap((time): Finding[] => {
    const at = time === null ? from : Date.parse(time);
    if (at >= from - 1000 && at <= until) return [];
    return [{ invariant: 'time_of_another_clock', what: `${token} has ${time}, which is not within the run` }];
  });
}

/** Whatever was seen of a command after it was final is the same, but for what came late. */
export function checkFinality(history: History): Finding[] {
  const groups = new Map<string, Observation[]>();
  for (const observation of history.records.observations) {
    const key = `${observation.channel} ${observation.token}`;
    groups.set(key, [...(groups.get(key) ?? []), observation]);
  }
  return [...groups.values()].flatMap((group) => {
    const finals = group.filter(({ command }) => isFinal(command.state));
    return finals.flatMap((earlier) =>
      group
        .filter((later) => later !== earlier && later.lastFrom > earlier.firstAt)
        .flatMap((later) => checkPair(earlier, later)),
    );
  });
}

function checkPair({ token, channel, command: before }: Observation, { command: after }: Observation): Finding[] {
  if (withoutLate(before) !== withoutLate(after)) {
    const what = `${token} (${channel}) was ${summary(before)} and then ${summary(after)}`;
    return [{ invariant: 'changed_after_final', what }];
  }
  if (before.late_result_data === null) return [];
  return [{ invariant: 'late_result_changed', what: `${token} (${channel}) had a late result, and then another` }];
}

function withoutLate(command: WireCommand): string {
  return JSON.stringify({ ...command, late_result_data: null });
}

function summary({ state, reason, result_data, ran_at }: WireCommand): string {
  return JSON.stringify({ state, reason, result_data, ran_at }).slice(0, 160);
}
