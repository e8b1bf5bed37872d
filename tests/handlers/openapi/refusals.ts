/** How each error that an operation promises is reached. */
import type { ErrorCode } from '../../../lib/errors.ts';
import type { NewKey } from '../../../lib/key.ts';
import { holdAnswer } from '../../support/held-message.ts';
import { waitFor } from '../../support/process.ts';
import { type Answer, type Sending, send } from '../../support/send.ts';
import type { Described } from './api-document.ts';
import { form, type World } from './world.ts';

/** Sends the request again whenever it is called, with more headers. */
export type Refused = (headers: Record<string, string>) => Promise<Answer>;
type Refusal = (world: World, operation: Described) => Promise<Refused> | Refused;

const nobody = 'f'.repeat(64);

/** A plain request of the operation. */
function ordinary({ method, path, id }: Described, token = nobody): Sending {
  const body = id === 'createCommand' ? { headers: form, body: 'cmd=apps%3Alist' } : {};
  return { method, path: path.replace('{token}', token), ...body };
}

function asking(world: World, sending: Sending, more: Record<string, string> = {}): Refused {
  return (headers) => world.send({ ...sending, headers: { ...sending.headers, ...more, ...headers } });
}

/** With the key of somebody who may do less. */
const as = (options: (operation: Described) => Partial<NewKey>): Refusal => {
  return async (world, operation) => asking(world, ordinary(operation), await world.credentials(options(operation)));
};

const changing = new Set(['createCommand', 'cancelCommand', 'retryCommand', 'retryCommandByGet', 'sendCallbackAgain']);

/** Those that any operation may have. */
const common: Partial<Record<ErrorCode, Refusal>> = {
  bad_query: (world, operation) => {
    const { path, ...sending } = ordinary(operation);
    return asking(world, { ...sending, path: `${path}?x=%` });
  },
  not_authenticated:
    ({ web }, operation) =>
    (headers) =>
      send(web.url, { ...ordinary(operation), headers }),
  role_not_allowed: as(({ id }) => ({ role: id === 'readMetrics' || changing.has(id) ? 'read' : 'metrics' })),
  rate_limited: async (world, operation) => asking(world, ordinary(operation), await world.exhausted()),
  too_many_failed_attempts: async (world, operation) => {
    const wrong = { 'Api-Secret': 'wrong', 'X-Forwarded-For': '203.0.113.7' };
    const refused = asking(world, ordinary(operation), wrong);
    await waitFor(async () => (await refused({})).status === 429, { describe: 'the address to be refused' });
    return refused;
  },
  cross_site: (world, operation) => asking(world, ordinary(operation), { 'Sec-Fetch-Site': 'cross-site' }),
  not_found: (world, operation) => asking(world, ordinary(operation)),
  internal_error: ({ broken: { web, key } }, operation) => {
    return (headers) => send(web.url, { ...ordinary(operation), headers: { ...form, ...key.headers, ...headers } });
  },
  database_unavailable: ({ frail, key, postgres }, operation) => {
    return async (headers) => {
      postgres.refuse();
      postgres.cut();
      const sending = { ...ordinary(operation), headers: { ...form, ...key.headers, ...headers } };
      return await send(frail.url, sending).finally(() => postgres.allow());
    };
  },
};

/** Loses the answer of a statement that changes something, and all connections with it. */
async function loseOutcome({ frail, key, postgres }: World, sending: Sending, statement: string): Promise<Answer> {
  const stored = holdAnswer(postgres, statement);
  const answer = send(frail.url, { ...sending, headers: { ...key.headers, ...sending.headers } });
  await stored.reached;
  postgres.refuse();
  postgres.cut();
  stored.settle('cut');
  return await answer.finally(() => postgres.allow());
}

/** Asks for something of a command that is made for the purpose. */
const of = (make: (world: World) => Promise<{ token: string }>, more: Record<string, string> = {}): Refusal => {
  return async (world, operation) => asking(world, ordinary(operation, (await make(world)).token), more);
};

const ended = (world: World) => world.ended();
const called = (world: World) => world.ended({ output: '' }, { cmd: 'apps:list', callback_url: 'http://127.0.0.1:9/' });
const usedKey = async (world: World) => {
  await world.post({ cmd: 'apps:report' }, { 'Idempotency-Key': 'used' });
  return {};
};

const withBody = (contentType: string, body: NonNullable<Sending['body']>): Refusal => {
  return (world) =>
    asking(world, { method: 'POST', path: '/commands', headers: { 'Content-Type': contentType }, body });
};

const ruled = (restriction: Partial<NewKey>): Refusal => {
  return async (world, operation) => {
    const { token } = await world.ended({ output: '' }, { cmd: 'apps:list' });
    return asking(world, ordinary(operation, token), await world.credentials(restriction));
  };
};

/** Those that need more than the operation itself, by operation and code. */
const special: Record<string, Refusal> = {
  'createCommand malformed_json': withBody('application/json', '{'),
  'createCommand malformed_form': withBody(form['Content-Type'], 'cmd=%'),
  'createCommand unsupported_media_type': withBody('text/plain', 'apps:list'),
  'createCommand body_too_large': withBody(form['Content-Type'], ['x'.repeat(40_000), 'x'.repeat(40_000)]),
  'createCommand invalid_parameters': withBody(form['Content-Type'], 'cmd='),
  'createCommand command_not_allowed': ruled({ rules: ['ps:*'] }),
  'createCommand server_not_allowed': ruled({ servers: ['eu'] }),
  'createCommand idempotency_key_reused': async (world, operation) => {
    await usedKey(world);
    return asking(world, ordinary(operation), { 'Idempotency-Key': 'used' });
  },
  'createCommand outcome_unknown': (world, operation) => (headers) => {
    const sending = ordinary(operation);
    return loseOutcome(world, { ...sending, headers: { ...sending.headers, ...headers } }, 'insert_command');
  },
  'cancelCommand server_not_allowed': ruled({ servers: ['eu'] }),
  'cancelCommand already_final': of(ended),
  'cancelCommand already_running': of((world) => world.running()),
  'cancelCommand outcome_unknown': (world, operation) => async (headers) => {
    const { token } = await world.queued();
    return await loseOutcome(world, { ...ordinary(operation, token), headers }, 'command_canceled');
  },
  'retryCommand invalid_parameters': of(ended, { 'Idempotency-Key': 'a b' }),
  'retryCommand idempotency_key_reused': async (world, operation) => {
    await usedKey(world);
    return asking(world, ordinary(operation, (await ended(world)).token), { 'Idempotency-Key': 'used' });
  },
  'retryCommandByGet invalid_parameters': async (world, operation) => {
    const redirects = await world.credentials({ allowRedirects: true });
    const { token } = await world.ended({ output: '' }, { cmd: 'apps:list > /tmp/apps' }, redirects);
    return asking(world, ordinary(operation, token));
  },
  'retryCommandByGet already_running': async (world, operation) => {
    const { token } = await world.ended();
    const operator = await world.credentials({ role: 'admin', owner: 'operator' });
    await world.send({ ...ordinary(operation, token), headers: operator });
    return asking(world, ordinary(operation, token), await world.credentials({ role: 'run' }));
  },
  'sendCallbackAgain not_final': of((world) => world.queued({ cmd: 'apps:list', callback_url: 'http://127.0.0.1:9/' })),
  'sendCallbackAgain invalid_parameters': of(called, { 'Idempotency-Key': 'a b' }),
  'sendCallbackAgain idempotency_key_reused': async (world, operation) => {
    await usedKey(world);
    return asking(world, ordinary(operation, (await called(world)).token), { 'Idempotency-Key': 'used' });
  },
  'sendCallbackAgain outcome_unknown': async (world, operation) => {
    const { token } = await called(world);
    return (headers) =>
      loseOutcome(world, { ...ordinary(operation, token), headers }, 'update "dokku_api"."deliveries"');
  },
};

for (const retry of ['retryCommand', 'retryCommandByGet']) {
  special[`${retry} command_not_allowed`] = ruled({ rules: ['ps:*'] });
  special[`${retry} server_not_allowed`] = ruled({ servers: ['eu'] });
  special[`${retry} not_final`] = of((world) => world.queued());
  special[`${retry} outcome_unknown`] = (world, operation) => async (headers) => {
    const { token } = await ended(world);
    return await loseOutcome(world, { ...ordinary(operation, token), headers }, 'insert_command');
  };
}

/** Prepares what makes the operation refuse with the code. */
export async function prepareRefusal(world: World, operation: Described, code: string): Promise<Refused> {
  const refusal = special[`${operation.id} ${code}`] ?? common[code as ErrorCode];
  if (refusal === undefined) throw new Error(`${operation.id} promises ${code}: say here how it is reached.`);
  return await refusal(world, operation);
}
