import { describeRoute } from 'hono-openapi';
import * as v from 'valibot';
import { queueCountedTo, type ServerStatus, serverStates } from '../db/server-status.ts';
import { wireTime } from '../lib/command.ts';
import { serversOf } from '../lib/config.ts';
import type { Key } from '../lib/key.ts';
import { silenceSeconds } from '../lib/worker-silence.ts';
import { isVisible } from './commands/visible-command.ts';
import { type Dependencies, factory } from './factory.ts';
import { errorDocs, jsonDocs } from './response-docs.ts';

const whole = v.pipe(v.number(), v.integer());
const token = v.pipe(v.string(), v.description('64 hex characters.'));

const serverSchema = v.pipe(
  v.object({
    server: v.string(),
    state: v.pipe(
      v.picklist(serverStates),
      v.description(
        '`blocked`: its Dokku may still be busy with a command that timed out or was lost. `unreachable`: its worker does not reach the daemon. More states may come.',
      ),
    ),
    since: v.pipe(v.nullable(v.string()), v.description('Null where no worker has ever had the server.')),
    queue_length: v.pipe(whole, v.description(`How many commands wait, counted up to ${queueCountedTo}.`)),
    oldest_queued_seconds: v.pipe(v.nullable(v.number()), v.description('How long the next one has waited.')),
    running_command: v.pipe(
      v.nullable(
        v.object({ token, command: v.string(), started_at: v.string(), timeout: whole, running_seconds: v.number() }),
      ),
      v.description("Null as well where it is another owner's."),
    ),
    blocked_by: v.pipe(v.nullable(token), v.description("Null as well where it is another owner's.")),
    worker: v.pipe(
      v.nullable(v.object({ id: v.string(), host: v.string(), version: v.string() })),
      v.description('The live worker that runs the commands; null where there is none.'),
    ),
  }),
  v.metadata({ ref: 'Server' }),
);

type WireServer = v.InferOutput<typeof serverSchema>;

/** GET /servers: how each server stands that the key may use. */
export function listServers({ serverStatuses, config }: Pick<Dependencies, 'serverStatuses' | 'config'>) {
  const names = serversOf(config).map(({ name }) => name);
  return factory.createHandlers(
    describeRoute({
      operationId: 'listServers',
      tags: ['Servers'],
      summary: 'Read how each server stands',
      responses: { 200: jsonDocs('The servers that the key may use.', v.array(serverSchema)), ...errorDocs() },
    }),
    async (context) => {
      const key = context.get('key');
      const usable = names.filter((name) => key.servers === null || key.servers.includes(name));
      const statuses = await serverStatuses.of(usable, silenceSeconds(config));
      return context.json(
        statuses.map((status) => toWireServer(status, key)),
        200,
      );
    },
  );
}

function toWireServer(status: ServerStatus, key: Key): WireServer {
  const { running, blockedBy, blockedByOwner, oldestQueuedMs } = status;
  return {
    server: status.server,
    state: status.state,
    since: status.since && wireTime(status.since),
    queue_length: status.queued,
    oldest_queued_seconds: oldestQueuedMs === null ? null : toSeconds(oldestQueuedMs),
    running_command:
      running !== null && isVisible(key, running)
        ? {
            token: running.token,
            command: running.command,
            started_at: wireTime(running.startedAt),
            timeout: running.timeoutSeconds,
            running_seconds: toSeconds(running.runningMs),
          }
        : null,
    blocked_by: isVisible(key, { owner: blockedByOwner ?? '' }) ? blockedBy : null,
    worker: status.worker,
  };
}

function toSeconds(ms: number): number {
  return Math.max(0, Math.round(ms) / 1000);
}
