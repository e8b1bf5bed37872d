/** Examples of what routes answer when all is well, by operation, status and media type. */
import type { WireCommand } from '../../lib/command.ts';
import { version } from '../../lib/package.ts';

type Examples = Record<string, { summary: string; value: unknown }>;

const queued: WireCommand = {
  id: 42,
  token: '2f1d7a0c5e9b4836a1d2c3e4f5061728394a5b6c7d8e9f00112233445566778f',
  command: 'apps:list',
  created_at: '2026-03-15T15:13:45+00:00',
  ran_at: null,
  result_data: null,
  state: 'queued',
  reason: null,
  server: 'default',
  callback_url: null,
  timeout: 600,
  started_at: null,
  duration_ms: null,
  retry_of: null,
  result_json: null,
  late_result_data: null,
  output_truncated: false,
  created_by: 'key_7K3mQ9xV2bTd',
};

const succeeded: WireCommand = {
  ...queued,
  ran_at: '2026-03-15T15:13:46+00:00',
  result_data: { ok: true, output: '=====> My Apps\napi\nhello_world' },
  state: 'succeeded',
  started_at: '2026-03-15T15:13:45+00:00',
  duration_ms: 213,
};

const failed: WireCommand = {
  ...succeeded,
  command: 'ps:restart shop',
  result_data: { ok: false, output: ' !     App shop does not exist' },
  state: 'failed',
};

const timedOut: WireCommand = {
  ...succeeded,
  command: 'ps:rebuild api',
  server: 'eu',
  result_data: { ok: false, output: 'command_timed_out' },
  state: 'timed_out',
  reason: 'command_timed_out',
};

const structured: WireCommand = {
  ...succeeded,
  command: 'apps:list --format json',
  result_data: { ok: true, output: '["api","hello_world"]' },
  result_json: ['api', 'hello_world'],
};

const canceled: WireCommand = {
  ...queued,
  ran_at: '2026-03-15T15:13:46+00:00',
  result_data: { ok: false, output: 'command_canceled' },
  state: 'canceled',
  reason: 'command_canceled',
};

const retried: WireCommand = {
  ...queued,
  id: 43,
  token: '8c1f0e2d3b4a59687786a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0',
  retry_of: queued.token,
};

const attempt = { number: 1, at: '2026-03-15T15:13:46+00:00', status: 204, error: null, duration_ms: 87 };
const delivered = {
  webhook_id: 'msg_2f1d7a0c5e9b4836a1d2c3e4f5061728',
  state: 'delivered',
  next_attempt_at: null,
  attempts: [attempt],
};

const idle = {
  server: 'default',
  state: 'idle',
  since: '2026-03-15T15:13:46+00:00',
  queue_length: 0,
  oldest_queued_seconds: null,
  running_command: null,
  blocked_by: null,
  worker: { id: '1b4e28ba-2fa1-4d2b-883f-0016d3cca427', host: 'worker.1', version },
};
const busy = {
  ...idle,
  state: 'busy',
  queue_length: 1,
  oldest_queued_seconds: 1.234,
  running_command: {
    token: queued.token,
    command: 'ps:rebuild api',
    started_at: '2026-03-15T15:13:46+00:00',
    timeout: 600,
    running_seconds: 1.234,
  },
};

const ready = {
  status: 'ok',
  version,
  postgres: 'ok',
  migrations: 'ok',
  redis: 'ok',
  workers: { default: 'ok', eu: 'ok' },
};
const unready = {
  ...ready,
  status: 'unavailable',
  postgres: 'unavailable',
  migrations: 'unknown',
  workers: { default: 'unknown', eu: 'unknown' },
};

const one = (summary: string, value: unknown): Examples => ({ example: { summary, value } });
const json = (examples: Examples) => ({ 'application/json': examples });
const events = {
  'text/event-stream': one('An event', `event: command\nid: 7311\ndata: ${JSON.stringify(succeeded)}\n\n`),
};

/** By `operationId`, status and media type. Another one of these is another test: see where they are produced. */
export const answerExamples: Record<string, Record<string, Record<string, Examples>>> = {
  createCommand: {
    200: json(one('Finished', succeeded)),
    202: json(one('Accepted', queued)),
  },
  listCommands: { 200: json(one('Two commands', [succeeded, { ...failed, id: 43, token: retried.token }])) },
  getCommand: {
    200: {
      ...json({
        queued: { summary: 'Not yet run', value: queued },
        succeeded: { summary: 'Succeeded', value: succeeded },
        failed: { summary: 'Failed', value: failed },
        timed_out: { summary: 'Ran for too long', value: timedOut },
        structured: { summary: 'With an output that is JSON', value: structured },
      }),
      'text/plain': one('The output', '=====> My Apps\napi\nhello_world'),
    },
    202: { 'text/plain': one('None yet', '') },
  },
  cancelCommand: { 200: json(one('Canceled', canceled)) },
  streamCommand: { 200: events },
  streamCommands: { 200: events },
  retryCommand: { 202: json(one('Accepted', retried)) },
  retryCommandByGet: { 202: json(one('Accepted', retried)) },
  listDeliveries: { 200: json(one('Delivered', delivered)) },
  sendCallbackAgain: { 202: json(one('Due now', { ...delivered, state: 'pending', next_attempt_at: attempt.at })) },
  listServers: { 200: json({ idle: { summary: 'Idle', value: [idle] }, busy: { summary: 'Busy', value: [busy] } }) },
  readHealth: { 200: json(one('Serving', { status: 'ok', version })) },
  readReadiness: {
    200: json({
      ok: { summary: 'All is well', value: ready },
      degraded: { summary: 'Redis is away', value: { ...ready, status: 'degraded', redis: 'degraded' } },
    }),
    503: json(one('Postgres is away', unready)),
  },
  readMetrics: {
    200: {
      'text/plain': one(
        'One metric of many',
        [
          '# HELP dokku_api_build_info The version of this web process, as a label of the constant 1.',
          '# TYPE dokku_api_build_info gauge',
          `dokku_api_build_info{version="${version}"} 1`,
        ].join('\n'),
      ),
    },
  },
};
