import type { AttemptEnd, DueDelivery } from '../../db/deliveries.ts';
import type { CallbackAnswer, CallbackClient } from '../../lib/callback-request.ts';
import { toWire } from '../../lib/command.ts';
import type { Seal } from '../../lib/seal.ts';
import { createWebhookSigner, type SignWebhook } from '../../lib/webhook.ts';
import { answered } from '../answered.ts';
import { pause } from '../backoff.ts';
import type { WorkerContext } from '../context.ts';
import { Notifier } from '../notifier.ts';
import { classify, nextAttemptDelayMs } from './schedule.ts';

const mostAtOnce = 64;
const mostPerHost = 4;
/** Taken for a host beside those under way, so that it need not wait for Postgres when one of these is done. */
const waitingPerHost = 4;

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
  /** The POSTs under way, with their hosts. */
  readonly #posts = new Map<Promise<AttemptAnswer>, string>();
  /** The attempts that are not recorded yet: their hosts may have been sent the next ones. */
  readonly #attempts = new Set<Promise<void>>();
  #signer: { sealed: string; sign: SignWebhook } | undefined;
  /** What was taken and is not sent yet, first come first. */
  #waiting: DueDelivery[] = [];

  constructor(context: WorkerContext, client: CallbackClient, seal: Seal) {
    this.#context = context;
    this.#client = client;
    this.#seal = seal;
  }

  /** Resolves when the process is to stop, no attempt is under way, and what was not sent is due for another. */
  async deliver(): Promise<void> {
    const { stopping } = this.#context;
    while (!stopping.aborted) {
      await this.attention.wait({ signal: stopping });
      if (!stopping.aborted) await this.#sendDue();
    }
    await this.#letGo();
    await Promise.all(this.#attempts);
  }

  async #sendDue(): Promise<void> {
    const { deliveries, stopping } = this.#context;
    if (this.#room === 0) return;
    const hosts = [...this.#posts.values(), ...this.#waiting.map(({ delivery }) => delivery.host)];
    const due = await answered(this.#context, {}, 'looking for due callbacks failed', () =>
      deliveries.takeDue(this.#room, mostPerHost + waitingPerHost, hosts),
    );
    this.#waiting.push(...(due ?? []));
    this.#sendWaiting();
    if (due === undefined) await pause(1000, stopping);
  }

  /** How many more may be taken. */
  get #room(): number {
    return 2 * mostAtOnce - this.#attempts.size - this.#waiting.length;
  }

  #sendWaiting(): void {
    if (this.#context.stopping.aborted) return;
    const underWay = new Map<string, number>();
    for (const host of this.#posts.values()) underWay.set(host, (underWay.get(host) ?? 0) + 1);
    this.#waiting = this.#waiting.filter((due) => {
      const { host } = due.delivery;
      const toHost = underWay.get(host) ?? 0;
      if (toHost >= mostPerHost || this.#posts.size >= mostAtOnce) return true;
      underWay.set(host, toHost + 1);
      this.#begin(due);
      return false;
    });
  }

  /** Makes what was taken and not sent due again at once: another worker may be there, or this one's successor. */
  async #letGo(): Promise<void> {
    const unsent = this.#waiting.splice(0).map(({ delivery }) => delivery);
    if (unsent.length === 0) return;
    await answered(this.#context, {}, 'callbacks that were not sent are due when their locks run out', () =>
      this.#context.deliveries.letGo(unsent),
    );
  }

  #begin(due: DueDelivery): void {
    const post = this.#post(due)
      .catch((error: unknown): AttemptAnswer => {
        this.#context.log.error({ ...nameOf(due), err: error }, 'callback not sent');
        return notSent;
      })
      .finally(() => {
        this.#posts.delete(post);
        this.#sendWaiting();
        this.attention.notify();
      });
    this.#posts.set(post, due.delivery.host);
    const attempt = this.#record(due, post)
      .catch((error: unknown) => {
        this.#context.log.error({ ...nameOf(due), err: error }, 'callback attempt failed; it is due again shortly');
      })
      .finally(() => {
        if (this.#room === 0) this.attention.notify();
        this.#attempts.delete(attempt);
      });
    this.#attempts.add(attempt);
  }

  async #record(due: DueDelivery, post: Promise<AttemptAnswer>): Promise<void> {
    const { delivery } = due;
    const end = attemptEnd(await post, delivery.attempt + 1);
    await this.#context.deliveries.recordAttempt(delivery, end);
    const { status, error, durationMs, state } = end;
    this.#context.log.info(
      { ...nameOf(due), status, error, duration_ms: Math.round(durationMs), state },
      'callback attempted',
    );
  }

  /** Most callbacks are of the key of the one before, and a secret is dear to open. */
  #signerOf({ sealedSigningSecret: sealed, createdBy }: DueDelivery): SignWebhook {
    if (this.#signer?.sealed !== sealed) {
      this.#signer = { sealed, sign: createWebhookSigner(this.#seal.open(sealed, createdBy)) };
    }
    return this.#signer.sign;
  }

  /** @throws where it cannot be signed: its secret was sealed with a `SECRET_KEY` that is not configured */
  async #post(due: DueDelivery): Promise<AttemptAnswer> {
    const { delivery } = due;
    const body = JSON.stringify(callbackBody(due));
    const sign = this.#signerOf(due);
    const signature = sign({ id: delivery.webhookId, timestamp: new Date(), body });
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
