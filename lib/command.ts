/** The domain's types: the states of a command, which may follow which, and its wire form. */

export const commandStates = ['queued', 'running', 'succeeded', 'failed', 'timed_out', 'lost', 'canceled'] as const;
export type CommandState = (typeof commandStates)[number];

export const finalStates = ['succeeded', 'failed', 'timed_out', 'lost', 'canceled'] as const;
export type FinalState = (typeof finalStates)[number];

/** `running → queued` happens only to a claim whose command was provably never written to the daemon. */
export const nextStates: Record<CommandState, readonly CommandState[]> = {
  queued: ['running', 'failed', 'canceled'],
  running: ['queued', 'succeeded', 'failed', 'timed_out', 'lost'],
  succeeded: [],
  failed: [],
  timed_out: [],
  lost: [],
  canceled: [],
};

export const commandReasons = [
  'command_timed_out',
  'command_lost',
  'command_canceled',
  'daemon_unavailable',
  'server_removed',
] as const;
export type CommandReason = (typeof commandReasons)[number];

/** What stands in `state` and `reason` where no answer of the daemon does. */
export const reasonStates: Record<CommandReason, FinalState> = {
  command_timed_out: 'timed_out',
  command_lost: 'lost',
  command_canceled: 'canceled',
  daemon_unavailable: 'failed',
  server_removed: 'failed',
};

export function isFinal(state: CommandState): state is FinalState {
  return nextStates[state].length === 0;
}

export type ResultData = { ok: boolean; output: string };

/** A command as stored: what `toWire` needs of a row. Times are absolute, `durationMs` is a difference of a monotonic clock. */
export type StoredCommand = {
  id: number;
  token: string;
  command: string;
  createdAt: Date;
  ranAt: Date | null;
  ok: boolean | null;
  output: string | null;
  state: CommandState;
  reason: CommandReason | null;
  server: string;
  callbackUrl: string | null;
  timeoutSeconds: number;
  startedAt: Date | null;
  durationMs: number | null;
  retryOf: string | null;
  lateOk: boolean | null;
  lateOutput: string | null;
  outputTruncated: boolean;
  createdBy: string;
};

/** The command object that clients see. The order of the fields is part of it. */
export type WireCommand = {
  id: number;
  token: string;
  command: string;
  created_at: string;
  ran_at: string | null;
  result_data: ResultData | null;
  state: CommandState;
  reason: CommandReason | null;
  server: string;
  callback_url: string | null;
  timeout: number;
  started_at: string | null;
  duration_ms: number | null;
  retry_of: string | null;
  result_json: unknown;
  late_result_data: ResultData | null;
  output_truncated: boolean;
  created_by: string;
};

const resultJsonMaximumBytes = 1024 * 1024;
const resultJsonMaximumDepth = 64;

/** The one place that makes the command object, for answers, events and callbacks alike. */
export function toWire(row: StoredCommand): WireCommand {
  return {
    id: row.id,
    token: row.token,
    command: row.command,
    created_at: wireTime(row.createdAt),
    ran_at: row.ranAt && wireTime(row.ranAt),
    result_data: resultData(row.ok, row.output),
    state: row.state,
    reason: row.reason,
    server: row.server,
    callback_url: row.callbackUrl,
    timeout: row.timeoutSeconds,
    started_at: row.startedAt && wireTime(row.startedAt),
    duration_ms: row.durationMs,
    retry_of: row.retryOf,
    result_json: row.output === null ? null : parseResultJson(row.output),
    late_result_data: resultData(row.lateOk, row.lateOutput),
    output_truncated: row.outputTruncated,
    created_by: row.createdBy,
  };
}

const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
/** The day that was written last: most times of a list are of the day of the one before, and a day is dear to write. */
let written = { day: 0, date: '1970-01-01' };

/** `2017-03-15T15:13:45+00:00`: UTC, whole seconds, as the Ruby app wrote it. */
export function wireTime(time: Date): string {
  const seconds = Math.floor(time.getTime() / 1000);
  const day = Math.floor(seconds / 86_400);
  if (day !== written.day) written = { day, date: time.toISOString().slice(0, 10) };
  const ofDay = seconds - day * 86_400;
  const minutes = Math.floor(ofDay / 60);
  return `${written.date}T${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[ofDay % 60]}+00:00`;
}

function resultData(ok: boolean | null, output: string | null): ResultData | null {
  return ok === null || output === null ? null : { ok, output };
}

/**
 * The output parsed, where the whole of it is a JSON object or array of at most 1 MiB and 64 levels; else null.
 * A newline inside a JSON string can only have been a literal `\n` that the daemon's encoding made indistinguishable,
 * so it is read as that.
 */
export function parseResultJson(output: string): unknown {
  const first = output.trimStart()[0];
  if (first !== '{' && first !== '[') return null;
  if (Buffer.byteLength(output) > resultJsonMaximumBytes) return null;
  const restored = escapeNewlinesInStrings(output);
  if (restored === null) return null;
  try {
    return JSON.parse(restored);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Null where nesting is deeper than the limit: `JSON.parse` and every client's parser would pay for it. */
function escapeNewlinesInStrings(json: string): string | null {
  let result = '';
  let copied = 0;
  let inString = false;
  let depth = 0;
  for (let index = 0; index < json.length; index++) {
    const character = json[index];
    if (inString) {
      if (character === '\\') index++;
      else if (character === '"') inString = false;
      else if (character === '\n') {
        result += `${json.slice(copied, index)}\\n`;
        copied = index + 1;
      }
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') {
      depth++;
      if (depth > resultJsonMaximumDepth) return null;
    } else if (character === '}' || character === ']') depth--;
  }
  return result + json.slice(copied);
}
