import type { AttemptEnd, DueDelivery } from '../../db/deliveries.ts';
import type { CallbackAnswer, CallbackClient } from '../../lib/callback-request.ts';
import { toWire } from '../../lib/command.ts';
import type { Seal } from '../../lib/seal.ts';
import { signWebhook } from '../../lib/webhook.ts';
import { answered } from '../answered.ts';
import { pause } from '../backoff.ts';
import type { WorkerContext } from '../context.ts';
import { Notifier } from '../notifier.ts';
import { classify, nextAttemptDelayMs } from './schedule.ts';

const mostAtOnce = 64;
const mostPerHost = 4;

/**
 * Sends due callbacks: taken from Postgres, POSTed outside of any transaction, at most 4 at once to a host and 64 in all.
 * A delivery whose sender dies is due again when its lock runs out.
 */
export class CallbackDeliverer {
  /** Asks for a look at what is due. */
  readonly attention = new Notifier();
  readonly #context: WorkerContext;
  readonly #client: CallbackClient;
  readonly #seal: Seal;
  readonly #sending = new Map<Promise<void>, string>();

  constructor(context: WorkerContext, client: CallbackClient, seal: Seal) {
    this.#context = context;
    this.#client = client;
    this.#seal = seal;
  }

  /** Resolves when the process is to stop and no attempt is under way. */
  async deliver(): Promise<void> {
    const { stopping } = this.#context;
    while (!stopping.aborted) {
      await this.attention.wait({ signal: stopping });
      if (!stopping.aborted) await this.#sendDue();
    }
    await Promise.all(this.#sending.keys());
  }

  async #sendDue(): Promise<void> {
    const free = mostAtOnce - this.#sending.size;
    if (free === 0) return;
    const due = await answered(this.#context, {}, 'looking for due callbacks failed', () =>
      this.#context.deliveries.takeDue(free, mostPerHost, [...this.#sending.values()]),
    );
    for (const delivery of due ?? []) this.#begin(delivery);
    if (due === undefined) await pause(1000, this.#context.stopping);
  }

  #begin(due: DueDelivery): void {
    const sending = this.#attempt(due)
      .catch((error: unknown) => {
        this.#context.log.error({ ...nameOf(due), err: error }, 'callback attempt failed; it is due again shortly');
      })
      .finally(() => {
        this.#sending.delete(sending);
        this.attention.notify();
      });
    this.#sending.set(sending, due.delivery.host);
  }

  async #attempt(due: DueDelivery): Promise<void> {
    const { delivery } = due;
    const answer = await this.#post(due).catch((error: unknown): AttemptAnswer => {
      this.#context.log.error({ ...nameOf(due), err: error }, 'callback not sent');
      return notSent;
    });
    const end = attemptEnd(answer, delivery.attempt + 1);
    await this.#context.deliveries.recordAttempt(delivery, end);
    const { status, error, durationMs, state } = end;
    this.#context.log.info(
      { ...nameOf(due), status, error, duration_ms: Math.round(durationMs), state },
      'callback attempted',
    );
  }

  /** @throws where it cannot be signed: its secret was sealed with a `SECRET_KEY` that is not configured */
  async #post(due: DueDelivery): Promise<AttemptAnswer> {
    const { delivery } = due;
    const body = JSON.stringify(callbackBody(due));
    const secret = this.#seal.open(due.sealedSigningSecret, due.createdBy);
    const signature = signWebhook({ id: delivery.webhookId, timestamp: new Date(), body, secret });
    return await this.#client.post({
      url: delivery.url,
      body,
      headers: { 'content-type': 'application/json', ...signature },
    });
  }
}

type AttemptAnswer = Omit<CallbackAnswer, 'error'> & { error: CallbackAnswer['error'] | 'not_sent' };

/** A fault on this side counts as an attempt, so that it is neither repeated at once nor for ever. */
const notSent: AttemptAnswer = { status: null, error: 'not_sent', durationMs: 0, retryAfterSeconds: null };

/** The command as it was when it became final: what came later is not in it, so that every attempt says the same. */
function callbackBody({ command }: DueDelivery) {
  return toWire({ ...command, lateOk: null, lateOutput: null });
}

function attemptEnd(answer: AttemptAnswer, attemptsMade: number): AttemptEnd {
  const { status, error, durationMs } = answer;
  const verdict = classify(answer);
  if (verdict !== 'retry') return { status, error, durationMs, state: verdict, nextAfterMs: null };
  const nextAfterMs = nextAttemptDelayMs(attemptsMade, Math.random, answer.retryAfterSeconds ?? undefined);
  return { status, error, durationMs, state: nextAfterMs === null ? 'dead' : 'pending', nextAfterMs };
}

function nameOf({ delivery, command }: DueDelivery) {
  return { token: command.token, webhook_id: delivery.webhookId, request_id: command.requestId };
}
