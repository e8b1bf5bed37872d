import { randomFillSync } from 'node:crypto';

const tokenBytes = 32;
/** To ask for the bytes of many tokens at once costs hardly more than to ask for those of one. */
const drawn = Buffer.alloc(64 * tokenBytes);
let used = drawn.length;

/** 64 hex digits that name a command: random bytes of the kind that keys are made of, each given out once. */
export function newToken(): string {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const token = drawn.toString('hex', used, used + tokenBytes);
  // What was given out is not kept.
  drawn.fill(0, used, used + tokenBytes);
  used += tokenBytes;
  return token;
}
