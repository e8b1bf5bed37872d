import { pause } from '../../worker/backoff.ts';
import type { SwitchOptions } from '../support/stand-in-control.ts';
import type { Answer, Api } from './api.ts';
import type { ChaosDaemon } from './daemon.ts';
import type { Random } from './random.ts';
import type { Behaviour, PostedLine } from './records.ts';

export type BehaviourWeights = readonly (readonly [weight: number, behaviour: Behaviour])[];

export type ClientOptions = {
  api: Api;
  server: string;
  daemon: ChaosDaemon;
  receiverUrl: string;
  random: Random;
  behaviours: BehaviourWeights;
  /** So many commands are kept waiting at the server. */
  backlog: number;
  /** How many of the lines are canceled again, and how many are posted again, from 0 to 1. */
  cancels: number;
  repeats: number;
  /** Takes every line that is posted. */
  lines: PostedLine[];
  /** A number that no other line has. */
  nextNumber: () => number;
  isFinal: (token: string) => boolean;
};

/** Posts command lines, each a line of its own, to one server, and keeps its queue filled. */
export class Client {
  readonly #options: ClientOptions;
  #open: PostedLine[] = [];

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * @param over no new lines from then on
   * @param givenUp ends the tries for those whose answer was not had
   */
  async run(over: AbortSignal, givenUp: AbortSignal): Promise<void> {
    const { backlog, isFinal } = this.#options;
    const posting = new Set<Promise<void>>();
    while (!over.aborted) {
      this.#open = this.#open.filter((posted) => !posted.tokens.some(isFinal) && !isRefused(posted));
      if (this.#open.length >= backlog || posting.size >= 3) {
        await pause(20, over);
        continue;
      }
      const post = this.#post(givenUp).finally(() => posting.delete(post));
      posting.add(post);
    }
    await Promise.all(posting);
  }

  async #post(givenUp: AbortSignal): Promise<void> {
    const { api, random, receiverUrl, server, lines, cancels, repeats } = this.#options;
    const posted = await this.#newLine();
    if (random.chance(0.3)) posted.callbackUrl = `${receiverUrl}/${posted.mark}`;
    const sync = random.chance(0.1);
    const isCanceled = !sync && random.chance(cancels);
    lines.push(posted);
    this.#open.push(posted);
    const fields = {
      cmd: posted.line,
      server,
      timeout: String(posted.timeoutSeconds),
      ...(sync && { sync: 'true' }),
      ...(posted.callbackUrl !== null && { callback_url: posted.callbackUrl }),
    };
    const headers = { 'Idempotency-Key': posted.mark };
    while (posted.acceptedAt === null && !isRefused(posted) && !givenUp.aborted) {
      const sending = api.call({ method: 'POST', path: '/commands', fields, headers, timeoutMs: sync ? 20_000 : 5000 });
      this.#note(posted, await sending);
      if (posted.acceptedAt === null) await pause(random.between(50, 300), givenUp);
    }
    if (posted.acceptedAt === null) {
      // The server is not configured at the moment.
      await pause(random.between(500, 1000), givenUp);
      return;
    }
    if (isCanceled) await this.#cancel(posted);
    // Another try of what was answered is answered with the same command.
    if (random.chance(repeats))
      this.#note(posted, await api.call({ method: 'POST', path: '/commands', fields, headers }));
  }

  #note(posted: PostedLine, answer: Answer): void {
    if ('error' in answer) {
      posted.tries.push({ sentAt: answer.sentAt, answeredAt: null, status: null, error: answer.error });
      return;
    }
    const { sentAt, answeredAt, status, body } = answer;
    if (status === 200 || status === 202) {
      const command = this.#options.api.seeCommand({ sentAt, answeredAt, body });
      posted.tokens.push(command.token);
      posted.ids.push(command.id);
      posted.acceptedAt ??= answeredAt;
    }
    posted.tries.push({ sentAt, answeredAt, status, error: status < 300 ? null : body });
  }

  async #cancel(posted: PostedLine): Promise<void> {
    const [token] = posted.tokens;
    if (token === undefined) return;
    const answer = await this.#options.api.call({ method: 'DELETE', path: `/commands/${token}` });
    const answeredAt = 'status' in answer ? answer.answeredAt : null;
    posted.cancel = { sentAt: answer.sentAt, answeredAt, status: 'status' in answer ? answer.status : null };
    if ('status' in answer && answer.status === 200) this.#options.api.seeCommand(answer);
  }

  /** A line, and the daemon told how to behave when it comes. Where it cannot be told it behaves plainly. */
  async #newLine(): Promise<PostedLine> {
    const { random, server, daemon, nextNumber } = this.#options;
    const mark = `n${String(nextNumber()).padStart(6, '0')}`;
    let behaviour = random.weighted(this.#options.behaviours);
    const line = behaviour === 'refused' ? `config:set app-${mark} A=b` : `config:set api CHAOS=${mark}`;
    const options = switchFor(behaviour, random);
    if (options !== null) {
      const added = await daemon.addSwitch({ ...options, match: line }).then(
        () => true,
        () => false,
      );
      if (!added) behaviour = 'plain';
    }
    const timeoutSeconds = behaviour === 'late' || behaviour === 'silent' ? 1 : 30;
    return {
      ...{ line, mark, server, behaviour, timeoutSeconds, callbackUrl: null },
      ...{ tries: [], acceptedAt: null, tokens: [], ids: [], cancel: null },
    };
  }
}

function isRefused({ tries }: PostedLine): boolean {
  const status = tries.at(-1)?.status ?? null;
  return status !== null && status >= 400 && status < 500;
}

function switchFor(behaviour: Behaviour, random: Random): Omit<SwitchOptions, 'match'> | null {
  switch (behaviour) {
    case 'plain':
    case 'refused':
      return null;
    case 'slow':
      return { delayMs: Math.round(random.between(100, 600)) };
    case 'late':
      return { delayMs: Math.round(random.between(1100, 2500)) };
    case 'silent':
      return { reply: { kind: 'silent' } };
    case 'large':
      return { output: { bytes: 20_000 } };
    case 'dribbled':
      return { reply: { kind: 'byte-by-byte', pauseMs: 1 } };
    case 'closed_unread':
      return { reply: { kind: 'close', when: 'before-run' } };
    case 'closed_at_start':
      return { reply: { kind: 'close', when: 'at-start' } };
    case 'closed_at_reply':
      return { reply: { kind: 'close', when: 'at-reply' } };
    case 'no_newline':
      return { reply: { kind: 'no-newline' } };
    case 'cut_off':
      return { reply: { kind: 'cut-off', bytes: 12 } };
    case 'garbage':
      return { reply: { kind: 'garbage', bytes: 'this is no answer\n' } };
  }
}
