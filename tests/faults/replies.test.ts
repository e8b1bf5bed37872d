/** Replies that are too long, or come in pieces that no character survives. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { createInstallation, type Web } from '../support/installation.ts';
import type { TestProcess } from '../support/process.ts';
import type { StandIn } from '../support/stand-in.ts';
import type { SwitchOptions } from '../support/stand-in-control.ts';

const resultMaximumBytes = 1_048_577;
const replyBytes = 50_000_000;

let web: Web;
let worker: TestProcess;
let daemon: StandIn;

beforeAll(async () => {
  const installation = await createInstallation({ env: { RESULT_MAX_BYTES: String(resultMaximumBytes) } });
  daemon = installation.daemons.get('default') as StandIn;
  [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
});

/** The most memory that a process has held so far; where the system does not say, what it holds now. */
function memoryBytes({ pid }: TestProcess): number {
  if (process.platform !== 'linux') {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
  }
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

let count = 0;

/** Runs a command whose reply is changed so, and reads it as it became. */
async function run(change: SwitchOptions) {
  count += 1;
  const cmd = `apps:report ${count}`;
  await daemon.addSwitch({ match: cmd, dokku: { exit: 0 }, ...change });
  const { token } = await web.accept({ cmd });
  const command = await web.final(token);
  expect(daemon.timesSent(cmd)).toBe(1);
  return command;
}

describe('50 MB', () => {
  test.each([
    ['succeeded', 0],
    ['failed', 1],
  ] as const)('%s: the end is cut, `ok` is right, memory bounded', async (state, exit) => {
    await run({ output: { bytes: 1000 } });
    const before = memoryBytes(worker);
    const command = await run({ dokku: { exit }, output: { bytes: replyBytes } });
    expect(command).toMatchObject({ state, reason: null, output_truncated: true, result_json: null });
    expect(command.result_data?.ok).toBe(exit === 0);
    expect(command.result_data?.output === 'x'.repeat(resultMaximumBytes)).toBe(true);
    // Whoever held the reply would need it twice, as bytes and as text; what pieces the garbage collector has not yet
    // taken away is less.
    expect(memoryBytes(worker) - before).toBeLessThan(replyBytes);
  });

  test('cut in the middle of a character: the character is left out', async () => {
    const command = await run({ output: { bytes: replyBytes / 10, fill: 'é' } });
    expect(command).toMatchObject({ state: 'succeeded', output_truncated: true });
    expect(command.result_data?.output === 'é'.repeat((resultMaximumBytes - 1) / 2)).toBe(true);
  });
});

describe('in pieces', () => {
  const text = 'Überraschung: 🚀 €5 \\d "quoted"\tand\nlines\u0007';

  test('one byte at a time', async () => {
    const command = await run({ dokku: { stdout: text }, reply: { kind: 'byte-by-byte' } });
    expect(command).toMatchObject({ state: 'succeeded', output_truncated: false });
    expect(command.result_data).toEqual({ ok: true, output: text });
  });

  test('every cut in the middle of a character', async () => {
    const inside = [...Buffer.from(`{"ok":false,"output":"${text}`)].flatMap((byte, at) =>
      byte >> 6 === 0b10 ? [at] : [],
    );
    const command = await run({
      dokku: { stdout: text, exit: 1 },
      reply: { kind: 'pieces', cuts: inside, pauseMs: 5 },
    });
    expect(inside.length).toBeGreaterThan(4);
    expect(command).toMatchObject({ state: 'failed', reason: null, output_truncated: false });
    expect(command.result_data).toEqual({ ok: false, output: text });
  });

  test('ended by a character that is never whole: it is U+FFFD', async () => {
    const command = await run({ dokku: { stdout: Buffer.from([0x6f, 0x6b, 0xe2, 0x82]) } });
    expect(command).toMatchObject({ state: 'succeeded', result_data: { ok: true, output: 'ok\ufffd' } });
  });
});
