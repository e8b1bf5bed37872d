/** API keys at the terminal: `keys.js generate | list | delete | rotate | explain`. Each says what it does by --help. */
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { classifyFailedQuery, connectDatabase, databaseErrorCode, lacksTables, unwrap } from '../../db/client.ts';
import { createKeys, type Keys } from '../../db/keys.ts';
import { ConfigError, readConfig, serversOf } from '../../lib/config.ts';
import { KeyError } from '../../lib/key.ts';
import { terminalEnvironment } from '../../lib/local/kept-environment.ts';
import { createSeal } from '../../lib/seal.ts';
import { type KeysRequest, readArguments } from './keys/arguments.ts';
import { explain } from './keys/explain.ts';
import { keyTable } from './keys/table.ts';
import { UsageError, usage } from './keys/usage.ts';

const environment = terminalEnvironment(resolve('.local'), process.env);

type Outcome = { lines: string[]; exitCode: number };

const done = (...lines: string[]): Outcome => ({ lines, exitCode: 0 });
const notFound: Outcome = { lines: ['Key not found.'], exitCode: 1 };

async function carryOut(request: Exclude<KeysRequest, { action: 'help' }>, keys: Keys): Promise<Outcome> {
  switch (request.action) {
    case 'generate': {
      const { apiKey, apiSecret, signingSecret, publicId } = await keys.generate(request.options);
      const { rules, role } = request.options;
      return done(
        'New API key was generated',
        `API KEY: ${apiKey} | API SECRET: ${apiSecret}`,
        `SIGNING SECRET: ${signingSecret}`,
        'Both secrets are shown this once. Callbacks are signed with the signing secret.',
        `Commands of this key say "created_by": "${publicId}".`,
        ...describeRules(rules, role),
      );
    }
    case 'list': {
      const { resealed, unopened } = await keys.resealAll();
      const records = await keys.list();
      return done(
        ...(records.length === 0
          ? ['There are no keys yet: make one by keys:generate.']
          : keyTable(records, { rules: request.rules })),
        ...(resealed === 0
          ? []
          : [`Sealed ${resealed} signing secrets again with the first SECRET_KEY: no other is needed for them now.`]),
        ...unopened.map(({ publicId, reason }) => `The signing secret of ${publicId} cannot be opened. ${reason}`),
      );
    }
    case 'delete':
      return (await keys.delete(request.apiKey)) ? done('Key was deleted.') : notFound;
    case 'rotate': {
      if ((await keys.get(request.apiKey))?.expired) {
        return { lines: ['Key has expired: make a new one by keys:generate.'], exitCode: 1 };
      }
      const rotated = await keys.rotate(request.apiKey, request.graceMs);
      if (rotated === null) return notFound;
      const hours = request.graceMs / 3_600_000;
      return done(
        'New API secret was generated',
        `API KEY: ${request.apiKey} | API SECRET: ${rotated.apiSecret}`,
        hours === 0 ? 'The old one works no more.' : `The old one works for another ${Number(hours.toFixed(2))} h.`,
      );
    }
    case 'rotate signing secret': {
      const rotated = await keys.rotateSigningSecret(request.apiKey);
      if (rotated === null) return notFound;
      return done(
        'New signing secret was generated',
        `SIGNING SECRET: ${rotated.signingSecret}`,
        'It is shown this once. Every callback sent from now on is signed with it; the API secret stays.',
      );
    }
    case 'explain': {
      const record = await keys.get(request.apiKey);
      if (record === null) return notFound;
      const servers = serversOf(readConfig(environment, ['defaultSocket', 'moreServers', 'jsonServers']));
      const command = request.command ?? (await text(process.stdin)).replace(/\n$/, '');
      const verdict = explain(record, command, servers);
      return { lines: [verdict.text], exitCode: verdict.allowed ? 0 : 1 };
    }
  }
}

function describeRules(rules: readonly string[] | null, role: string): string[] {
  if (role !== 'run' && role !== 'admin') return [`It runs no commands, having the role ${role}.`];
  if (rules === null) return ['It has no rules: it may run every command, which makes it root of the host.'];
  return ['It may run what one of these rules allows:', ...rules.map((rule) => `  ${rule}`)];
}

async function run(request: KeysRequest): Promise<Outcome> {
  if (request.action === 'help') return done(usage(request.about));
  const config = readConfig(environment, ['databaseUrl', 'secretKeys']);
  // What an idle connection is lost to, the next query says.
  const database = connectDatabase(config.databaseUrl, { maximum: 1, onError: () => undefined });
  try {
    return await carryOut(request, createKeys(database, createSeal(config.secretKeys, 'signing-secret')));
  } finally {
    await database.$client.end();
  }
}

/** @throws what is a defect of ours, without the parameters of its query */
function explainFailure(error: unknown): string {
  if (error instanceof ConfigError || error instanceof KeyError || error instanceof UsageError) return error.message;
  const code = databaseErrorCode(error);
  if (lacksTables(error)) {
    return 'The database does not have the tables of this version: run npm run migrate, then try again.';
  }
  const cause = unwrap(error);
  const reason = (cause instanceof Error && cause.message) || code || 'no reason given';
  switch (classifyFailedQuery(error)) {
    case 'not_sent':
    case 'refused':
      return `Postgres cannot be used (${reason}): check DATABASE_URL, and that it accepts connections.`;
    case 'outcome_unknown':
      return `The connection to Postgres was lost (${reason}): see by keys:list what was done, then try again.`;
    case 'rejected':
      throw cause;
  }
}

try {
  const { lines, exitCode } = await run(readArguments(process.argv.slice(2), process.env));
  console.log(lines.join('\n'));
  process.exitCode = exitCode;
} catch (error) {
  console.error(explainFailure(error));
  process.exitCode = error instanceof UsageError || error instanceof KeyError ? 2 : 1;
}
