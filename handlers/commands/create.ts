import { describeRoute, resolver } from 'hono-openapi';
import { toWire } from '../../lib/command.ts';
import { type Dependencies, factory } from '../factory.ts';
import { smallBody } from '../middleware/body-limit.ts';
import { headerParameter } from '../openapi/headers.ts';
import { queryParameters } from '../request-docs.ts';
import { errorDocs, jsonDocs } from '../response-docs.ts';
import { acceptCommand, acceptedHeaders } from './accept-command.ts';
import { commandSchema } from './command-schema.ts';
import { idempotentRequest } from './idempotent-request.ts';
import { newCommand } from './new-command.ts';
import { newCommandSchema } from './new-command-fields.ts';
import { syncAnswer } from './sync-answer.ts';

const newCommandDocs = { schema: resolver(newCommandSchema) };

/** POST /commands: accepts a command, and with `sync=true` waits for its end. */
export function createCommand(deps: Dependencies) {
  return factory.createHandlers(
    describeRoute({
      operationId: 'createCommand',
      tags: ['Commands'],
      summary: 'Run a command',
      description: 'The fields may stand in the body or in the query; those of the body win. Unknown ones are ignored.',
      parameters: [...queryParameters(newCommandSchema), headerParameter('IdempotencyKey')],
      requestBody: {
        content: {
          'application/x-www-form-urlencoded': newCommandDocs,
          'multipart/form-data': newCommandDocs,
          'application/json': newCommandDocs,
        },
      },
      responses: {
        200: jsonDocs(
          'With `sync=true`: the command, finished or as it is after SYNC_WAIT.',
          commandSchema,
          ...acceptedHeaders,
          'X-Accel-Buffering',
        ),
        202: jsonDocs('The command was accepted.', commandSchema, ...acceptedHeaders),
        ...errorDocs(
          'malformed_json',
          'malformed_form',
          'command_not_allowed',
          'server_not_allowed',
          'cross_site',
          'body_too_large',
          'unsupported_media_type',
          'invalid_parameters',
          'idempotency_key_reused',
          'outcome_unknown',
        ),
      },
    }),
    smallBody,
    newCommand(deps),
    async (context) => {
      const { fields, command } = context.req.valid('json');
      const { sync = false, ...asked } = fields;
      const request = idempotentRequest(context.req, context.get('key'), {
        ...asked,
        cmd: command.command,
        server: command.server,
      });
      const row = await acceptCommand(context, deps, command, { request, retryOf: null, legacyRetry: false });
      return sync ? await syncAnswer(context, deps, row) : context.json(toWire(row), 202);
    },
  );
}
