import type { Context } from 'hono';
import { describeRoute } from 'hono-openapi';
import { isFinal, toWire } from '../../lib/command.ts';
import { ApiError } from '../../lib/errors.ts';
import { type AppEnv, type Dependencies, factory } from '../factory.ts';
import { notPlainRead } from '../middleware/method-not-allowed.ts';
import { headerParameter } from '../openapi/headers.ts';
import { errorDocs, jsonDocs } from '../response-docs.ts';
import { acceptCommand, acceptedHeaders } from './accept-command.ts';
import { commandSchema } from './command-schema.ts';
import { idempotentRequest } from './idempotent-request.ts';
import { createRunnableCheck } from './runnable-command.ts';
import { isVisible, tokenParam, visibleCommand } from './visible-command.ts';

/** RFC 9745: since the first day of this API, which has the POST. */
const deprecation = '@1735689600';

type RetryDependencies = Pick<Dependencies, 'config' | 'accept' | 'announcer' | 'commands' | 'log'>;

/** POST /commands/:token/retry: the same command once more. */
export function retryCommand(deps: RetryDependencies) {
  const retry = createRetry(deps);
  return factory.createHandlers(
    describeRoute({
      operationId: 'retryCommand',
      tags: ['Commands'],
      summary: 'Run a finished command again',
      description: 'It is checked as a new command of the key that asks for it.',
      parameters: [headerParameter('IdempotencyKey')],
      responses: {
        202: jsonDocs('The new command.', commandSchema, ...acceptedHeaders),
        ...errorDocs(...retryErrors, 'idempotency_key_reused'),
      },
    }),
    tokenParam,
    async (context) => context.json(toWire(await retry(context, context.req.valid('param').token, 'post')), 202),
  );
}

/** GET on the same path, for the clients of the original: nothing new while a retry made so is not final. */
export function retryCommandByGet(deps: RetryDependencies) {
  const retry = createRetry(deps);
  return factory.createHandlers(
    describeRoute({
      operationId: 'retryCommandByGet',
      tags: ['Commands'],
      summary: 'Run a finished command again, as older clients ask for it',
      description: 'While a retry made so is not final, it is returned in place of a new one.',
      deprecated: true,
      responses: {
        202: jsonDocs('The new command, or the one before.', commandSchema, 'Location', 'Deprecation'),
        ...errorDocs(...retryErrors, 'already_running'),
      },
    }),
    notPlainRead,
    tokenParam,
    async (context) => {
      const row = await retry(context, context.req.valid('param').token, 'get');
      context.header('Deprecation', deprecation);
      return context.json(toWire(row), 202);
    },
  );
}

const retryErrors = [
  'command_not_allowed',
  'server_not_allowed',
  'cross_site',
  'not_found',
  'not_final',
  'invalid_parameters',
  'outcome_unknown',
] as const;

function createRetry(deps: RetryDependencies) {
  const checkRunnable = createRunnableCheck(deps.config);
  return async (context: Context<AppEnv>, token: string, method: 'get' | 'post') => {
    const key = context.get('key');
    const {
      state,
      command: cmd,
      server,
      callbackUrl,
      timeoutSeconds: timeout,
    } = await visibleCommand(deps.commands, key, token);
    if (!isFinal(state)) {
      throw new ApiError('not_final', 'Only a finished command can be run again. Wait for its end by ?wait=.');
    }
    const command = checkRunnable(key, {
      cmd,
      server,
      timeout,
      ...(callbackUrl === null ? {} : { callback_url: callbackUrl }),
    });
    const row = await acceptCommand(context, deps, command, {
      request: method === 'post' ? idempotentRequest(context.req, key, {}) : null,
      retryOf: token,
      legacyRetry: method === 'get',
    });
    if (!isVisible(key, row)) {
      throw new ApiError('already_running', 'Another owner runs this command again at the moment. Try again later.');
    }
    return row;
  };
}
