import { describeRoute } from 'hono-openapi';
import * as v from 'valibot';
import type { Deliveries } from '../../db/deliveries.ts';
import { deliveryStates } from '../../db/schema.ts';
import { isFinal, wireTime } from '../../lib/command.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Dependencies, factory } from '../factory.ts';
import { headerParameter } from '../openapi/headers.ts';
import { outcomeInDoubt } from '../outcome-in-doubt.ts';
import { errorDocs, jsonDocs } from '../response-docs.ts';
import { idempotentRequest } from './idempotent-request.ts';
import { tokenParam, visibleCommand } from './visible-command.ts';

const whole = v.pipe(v.number(), v.integer());

const deliverySchema = v.pipe(
  v.object({
    webhook_id: v.pipe(v.nullable(v.string()), v.description('The same for every attempt; null before there is one.')),
    state: v.nullable(v.picklist(deliveryStates)),
    next_attempt_at: v.nullable(v.string()),
    attempts: v.array(
      v.object({
        number: whole,
        at: v.string(),
        status: v.nullable(whole),
        error: v.nullable(v.string()),
        duration_ms: whole,
      }),
    ),
  }),
  v.metadata({ ref: 'Delivery' }),
);

type WireDelivery = v.InferOutput<typeof deliverySchema>;

/** GET /commands/:token/deliveries: how the callback fared. */
export function listDeliveries({ commands, deliveries }: Pick<Dependencies, 'commands' | 'deliveries'>) {
  return factory.createHandlers(
    describeRoute({
      operationId: 'listDeliveries',
      tags: ['Callbacks'],
      summary: "Read the attempts at a command's callback",
      responses: { 200: jsonDocs('The callback and its attempts.', deliverySchema), ...errorDocs('not_found') },
    }),
    tokenParam,
    async (context) => {
      const row = await visibleCommand(commands, context.get('key'), context.req.valid('param').token);
      return context.json(toWireDelivery(await deliveries.find(row.id)), 200);
    },
  );
}

/** POST /commands/:token/deliveries: sends the callback again now. */
export function sendCallbackAgain({
  commands,
  deliveries,
  resendOnce,
  log,
}: Pick<Dependencies, 'commands' | 'deliveries' | 'resendOnce' | 'log'>) {
  return factory.createHandlers(
    describeRoute({
      operationId: 'sendCallbackAgain',
      tags: ['Callbacks'],
      summary: "Send a command's callback again",
      parameters: [headerParameter('IdempotencyKey')],
      responses: {
        202: jsonDocs('The callback is due now.', deliverySchema, 'Idempotent-Replayed'),
        ...errorDocs(
          'cross_site',
          'not_found',
          'not_final',
          'invalid_parameters',
          'idempotency_key_reused',
          'outcome_unknown',
        ),
      },
    }),
    tokenParam,
    async (context) => {
      const { id, token, state, callbackUrl } = await visibleCommand(
        commands,
        context.get('key'),
        context.req.valid('param').token,
      );
      if (callbackUrl === null) throw new ApiError('not_found', 'This command has no callback_url.');
      if (!isFinal(state)) throw new ApiError('not_final', 'The callback is sent once the command has ended.');
      const request = idempotentRequest(context.req, context.get('key'), {});
      const resent: Promise<unknown> =
        request === null
          ? deliveries.sendAgain(id)
          : resendOnce({ id, token }, request).then(({ replayed }) => {
              if (replayed) context.header('Idempotent-Replayed', 'true');
            });
      await outcomeInDoubt(token, resent);
      log.info({ request_id: context.get('requestId'), token }, 'callback asked for again');
      return context.json(toWireDelivery(await deliveries.find(id)), 202);
    },
  );
}

function toWireDelivery(found: Awaited<ReturnType<Deliveries['find']>>): WireDelivery {
  if (found === null) return { webhook_id: null, state: null, next_attempt_at: null, attempts: [] };
  const { delivery, attempts } = found;
  return {
    webhook_id: delivery.webhookId,
    state: delivery.state,
    next_attempt_at: delivery.nextAt && wireTime(delivery.nextAt),
    attempts: attempts.map(({ number, at, status, error, durationMs }) => ({
      number,
      at: wireTime(at),
      status,
      error,
      duration_ms: durationMs,
    })),
  };
}
