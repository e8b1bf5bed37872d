import type { IncomingHttpHeaders } from 'node:http';
import { expect } from 'vitest';

type Aspect = 'status' | 'headers' | 'body';

/** Asserts on answers, and remembers on what of them: a row holds only when all three were looked at. */
export class RowCheck {
  readonly #looked = new Set<Aspect>();

  status(answer: { status: number; body?: string }, expected: number): void {
    this.#looked.add('status');
    expect(answer.status, answer.body).toBe(expected);
  }

  /** @param expected values or matchers by lower-case name; null for a header that must not be there */
  headers(answer: { headers: IncomingHttpHeaders }, expected: Record<string, unknown>): void {
    if (Object.keys(expected).length > 0) this.#looked.add('headers');
    for (const [name, value] of Object.entries(expected)) {
      const actual = answer.headers[name] ?? null;
      if (value instanceof RegExp) expect(actual, name).toMatch(value);
      else expect(actual, name).toEqual(value);
    }
  }

  /** @param expected as `toMatchObject` takes it, where it is an object; else equal */
  body(actual: unknown, expected: unknown): void {
    this.#looked.add('body');
    if (typeof expected === 'object' && expected !== null && !Array.isArray(expected)) {
      expect(actual).toMatchObject(expected);
    } else expect(actual).toEqual(expected);
  }

  /** What was never asserted on. */
  get missing(): Aspect[] {
    return (['status', 'headers', 'body'] as const).filter((aspect) => !this.#looked.has(aspect));
  }
}
