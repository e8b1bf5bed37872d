import type { Context } from 'hono';
import type { AppEnv } from './factory.ts';

/**
 * Gives the answer a header, whoever makes the answer; one of the same name that a handler gives goes before it. For
 * those that every answer has: ten of them in Hono's Headers took a fifteenth of a request.
 */
export function setAnswerHeader(context: Context<AppEnv>, name: string, value: string): void {
  context.env.outgoing.setHeader(name, value);
}
