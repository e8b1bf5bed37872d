/**
 * Every table of dokku-api, in a Postgres schema of its own, so that the database of the Ruby app can be linked as it is.
 * Stored times are Postgres' own `now()`: no clock of ours is compared with another.
 */
import { getTableColumns, sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  customType,
  foreignKey,
  index,
  integer,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { commandReasons, commandStates } from '../lib/command.ts';
import { keyRoles } from '../lib/key.ts';

export const dokkuApi = pgSchema('dokku_api');

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
/** A 64-bit transaction id; as text, since it outgrows a JavaScript number. */
const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' });
const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });
const quoted = (values: readonly string[]) => sql.raw(values.map((value) => `'${value}'`).join(', '));

export const keys = dokkuApi.table(
  'keys',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    publicId: text('public_id').notNull().unique(),
    apiKey: text('api_key').notNull().unique(),
    secretHash: bytes('secret_hash').notNull(),
    /** The secret before the last rotation, and until when it still works. */
    previousSecretHash: bytes('previous_secret_hash'),
    previousSecretExpiresAt: time('previous_secret_expires_at'),
    sealedSigningSecret: text('sealed_signing_secret').notNull(),
    name: text('name'),
    role: text('role', { enum: keyRoles }).notNull().default('run'),
    owner: text('owner').notNull().default('default'),
    /** Null: all command lines, all servers, the configured rate. */
    rules: text('rules').array(),
    servers: text('servers').array(),
    rateLimit: integer('rate_limit'),
    allowRedirects: boolean('allow_redirects').notNull().default(false),
    createdAt: time('created_at').notNull().defaultNow(),
    expiresAt: time('expires_at'),
    /** Deleted keys stay, for the record and for the deliveries that they sign. */
    deletedAt: time('deleted_at'),
    lastUsedAt: time('last_used_at'),
  },
  (table) => [check('keys_role', sql`${table.role} in (${quoted(keyRoles)})`)],
);

export const commands = dokkuApi.table(
  'commands',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    token: text('token').notNull(),
    server: text('server').notNull(),
    command: text('command').notNull(),
    state: text('state', { enum: commandStates }).notNull().default('queued'),
    reason: text('reason', { enum: commandReasons }),
    ok: boolean('ok'),
    output: text('output'),
    outputTruncated: boolean('output_truncated').notNull().default(false),
    lateOk: boolean('late_ok'),
    lateOutput: text('late_output'),
    callbackUrl: text('callback_url'),
    timeoutSeconds: integer('timeout_seconds').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
    startedAt: time('started_at'),
    ranAt: time('ran_at'),
    durationMs: bigint('duration_ms', { mode: 'number' }),
    retryOf: text('retry_of'),
    /** Made by the legacy `GET …/retry`, which repeats nothing while one of these is not final. */
    legacyRetry: boolean('legacy_retry').notNull().default(false),
    /** No foreign key: keys are never removed, and each accepted command would lock the key's row. */
    keyId: bigint('key_id', { mode: 'number' }).notNull(),
    createdBy: text('created_by').notNull(),
    owner: text('owner').notNull(),
    requestId: text('request_id'),
    /** The epoch of the lease under which it was claimed. */
    epoch: bigint('epoch', { mode: 'number' }),
    /** How long it was its turn while its daemon did not accept, over all owners of the lease. */
    waitedMs: bigint('waited_ms', { mode: 'number' }).notNull().default(0),
    /** The transaction of the last change, by which event streams resume. */
    changedIn: transactionId('changed_in').notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [
    uniqueIndex('commands_token').on(table.token),
    /** The last guard of one at a time. */
    uniqueIndex('commands_running').on(table.server).where(sql`${table.state} = 'running'`),
    index('commands_queued').on(table.server, table.id).where(sql`${table.state} = 'queued'`),
    /** A filter of pages, and their order behind it; the owner goes along, so that no row is read to look at it. */
    index('commands_owner').on(table.owner, table.id),
    index('commands_state').on(table.state, table.id, table.owner),
    index('commands_server').on(table.server, table.id, table.owner),
    /** Has an entry from the end of a command on: what retention begins with, and landmarks for pages by time. */
    index('commands_created_at').on(table.createdAt).where(sql`${table.ranAt} is not null`),
    uniqueIndex('commands_legacy_retry')
      .on(table.retryOf)
      .where(sql`${table.legacyRetry} and ${table.state} in ('queued', 'running')`),
    index('commands_changed_in').on(table.changedIn, table.id, table.owner),
    check('commands_state', sql`${table.state} in (${quoted(commandStates)})`),
    check('commands_reason', sql`${table.reason} in (${quoted(commandReasons)})`),
    check('commands_timeout', sql`${table.timeoutSeconds} between 1 and 86400`),
    check(
      'commands_result',
      sql`(${table.ranAt} is not null) = (${table.state} not in ('queued', 'running')) and (${table.ok} is null) = (${table.ranAt} is null) and (${table.output} is null) = (${table.ranAt} is null)`,
    ),
  ],
);

export const commandColumns = getTableColumns(commands);
/** Bytes of a command's texts, known to Postgres unread. For any relation that has the columns. */
export const textBytes = sql`octet_length(command) + coalesce(octet_length(output), 0) + coalesce(octet_length(late_output), 0)`;
export type CommandRow = typeof commands.$inferSelect;
const { legacyRetry, keyId, owner, requestId, epoch, waitedMs, changedIn, ...stored } = commandColumns;
/** What the command object is made of. */
export const storedColumns = stored;

export const idempotencyKeys = dokkuApi.table(
  'idempotency_keys',
  {
    keyId: bigint('key_id', { mode: 'number' }).notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    /** SHA-256 over method, path and the parsed fields of the first request. */
    fingerprint: bytes('fingerprint').notNull(),
    token: text('token').notNull(),
    createdAt: time('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'idempotency_keys_pkey', columns: [table.keyId, table.idempotencyKey] }),
    index('idempotency_keys_created_at').on(table.createdAt),
  ],
);

/** The right of one worker to run the commands of one server. Free where `owner` is null. */
export const leases = dokkuApi.table('leases', {
  server: text('server').primaryKey(),
  owner: text('owner'),
  epoch: bigint('epoch', { mode: 'number' }).notNull().default(0),
  beat: bigint('beat', { mode: 'number' }).notNull().default(0),
  /** Dokku may still be busy with a command that nobody waits for any more: nothing is claimed. */
  blockedSince: time('blocked_since'),
  blockedBy: text('blocked_by'),
  unreachableSince: time('unreachable_since'),
  changedAt: time('changed_at').notNull().defaultNow(),
});

export const workers = dokkuApi.table('workers', {
  id: text('id').primaryKey(),
  servers: text('servers').array().notNull(),
  host: text('host').notNull(),
  version: text('version').notNull(),
  beat: bigint('beat', { mode: 'number' }).notNull().default(0),
  beatAt: time('beat_at').notNull().defaultNow(),
  startedAt: time('started_at').notNull().defaultNow(),
});

export const deliveryStates = ['pending', 'delivered', 'dead'] as const;

export const deliveries = dokkuApi.table(
  'deliveries',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    commandId: bigint('command_id', { mode: 'number' }).notNull(),
    /** Random enough to need no index that keeps it unique. */
    webhookId: text('webhook_id').notNull(),
    url: text('url').notNull(),
    host: text('host').notNull(),
    keyId: bigint('key_id', { mode: 'number' }).notNull(),
    state: text('state', { enum: deliveryStates }).notNull().default('pending'),
    /** Attempts made since the schedule was begun; sending again begins it anew. */
    attempt: integer('attempt').notNull().default(0),
    nextAt: time('next_at').defaultNow(),
    lockedUntil: time('locked_until'),
    createdAt: time('created_at').notNull().defaultNow(),
    endedAt: time('ended_at'),
  },
  (table) => [
    uniqueIndex('deliveries_command').on(table.commandId),
    index('deliveries_due').on(table.nextAt).where(sql`${table.state} = 'pending'`),
    foreignKey({ name: 'deliveries_command', columns: [table.commandId], foreignColumns: [commands.id] }).onDelete(
      'cascade',
    ),
    check('deliveries_state', sql`${table.state} in (${quoted(deliveryStates)})`),
  ],
);

export const attempts = dokkuApi.table(
  'attempts',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    deliveryId: bigint('delivery_id', { mode: 'number' }).notNull(),
    number: integer('number').notNull(),
    at: time('at').notNull().defaultNow(),
    status: integer('status'),
    error: text('error'),
    durationMs: integer('duration_ms').notNull(),
  },
  (table) => [
    uniqueIndex('attempts_number').on(table.deliveryId, table.number),
    foreignKey({ name: 'attempts_delivery', columns: [table.deliveryId], foreignColumns: [deliveries.id] }).onDelete(
      'cascade',
    ),
  ],
);

/** How far the commands of the Ruby app have been taken over: one row, or none where there were none. */
export const rubyImports = dokkuApi.table(
  'ruby_imports',
  {
    id: integer('id').primaryKey().default(1),
    /** Every command of the Ruby app up to this id was looked at. */
    through: bigint('through', { mode: 'number' }).notNull(),
    /** Ids below that were not there: another transaction may have been about to commit them. */
    missing: bigint('missing', { mode: 'number' }).array().notNull(),
  },
  (table) => [check('ruby_imports_one', sql`${table.id} = 1`)],
);
