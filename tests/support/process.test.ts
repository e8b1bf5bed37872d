import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { processStart } from '../../lib/local/process-table.ts';
import { freePort, startProcess, waitFor } from './process.ts';

describe('waitFor', () => {
  test('gives the first true value; an error is "not yet"', async () => {
    let looks = 0;
    const value = await waitFor(
      () => {
        looks += 1;
        if (looks === 1) throw new Error('too early');
        return looks === 3 && { looks };
      },
      { describe: 'the third look' },
    );
    expect(value).toEqual({ looks: 3 });
  });

  test('says at the time-out what was seen last, be it a value, an error or nothing', async () => {
    const wait = { timeout: 40, describe: () => 'a sign' };
    await expect(waitFor(() => 0, wait)).rejects.toThrow('Waited 40 ms for a sign; last seen: 0');
    const failing = () => Promise.reject(new Error('no such table'));
    await expect(waitFor(failing, wait)).rejects.toThrow('last seen: Error: no such table');
    await expect(waitFor(() => new Promise(() => undefined), wait)).rejects.toThrow('last seen: nothing');
  });
});

test('a free port can be listened on', async () => {
  const server = createServer().listen(await freePort(), '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

describe('startProcess', () => {
  const script = 'tests/support/process-fixture.ts';

  test('gives a clean environment, reads lines whole, and waits for entries and the end', async () => {
    const started = startProcess({ script, args: ['one', 'two words'], env: { GIVEN: 'yes' } });
    const first = await started.waitForLog((entry) => 'args' in entry);
    expect(first.args).toEqual(['one', 'two words']);
    expect(Object.keys(first.environment as object).sort()).toEqual(['GIVEN', 'HOME', 'PATH']);
    await waitFor(() => started.lines().includes('a plain line'), { describe: 'the plain line' });
    expect(started.entries()).toEqual([first]);

    expect(await started.stop()).toEqual({ code: 7, signal: null });
    expect(started.entries().slice(1)).toEqual([{ msg: 'half of a line' }, { msg: 'stopping' }]);
    expect(started.stderr()).toBe('a plain line\n');
    expect(processStart(started.pid)).toBeNull();
  });

  test('a signal is only that, and the end shows which', async () => {
    const started = startProcess({ script, args: ['stay'] });
    await started.waitForLog((entry) => 'args' in entry);
    started.signal('SIGTERM');
    await started.waitForLog((entry) => entry.msg === 'stopping');
    started.signal('SIGKILL');
    expect(await started.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('waiting fails as soon as the process ends, and shows what it printed', async () => {
    const started = startProcess({ script: 'tests/support/no-such-script.ts' });
    await expect(started.waitForLog(() => true, 60_000)).rejects.toThrow(
      /^The process ended without the log entry; .*no-such-script\.ts printed:\n(?:.*\n)*.*ERR_MODULE_NOT_FOUND/,
    );
    expect((await started.exit).code).toBe(1);
  });
});
