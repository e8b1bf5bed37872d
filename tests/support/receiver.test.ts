import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startReceiver } from './receiver.ts';

test('every request stands in the log with its answer before the sender has that', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'receiver-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const logFile = join(folder, 'requests.jsonl');
  const receiver = await startReceiver({ logFile });
  onTestFinished(receiver.stop);
  receiver.answerWith(({ number }) => (number === 1 ? { status: 503, headers: { 'retry-after': '1' } } : 200));
  for (const status of [503, 200]) {
    const answer = await fetch(`${receiver.url}/x`, {
      method: 'POST',
      body: 'Zoë',
      headers: { 'webhook-id': 'msg_1' },
    });
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '');
    expect(answer.status).toBe(status);
    expect(last).toMatchObject({ method: 'POST', path: '/x', body: 'Zoë', headers: { 'webhook-id': 'msg_1' } });
    expect(last.answer.status ?? last.answer).toBe(status);
  }
  expect((await receiver.waitForRequests(2)).map(({ number }) => number)).toEqual([1, 2]);
});

test('what does not come is said after the time allowed', async () => {
  const receiver = await startReceiver();
  onTestFinished(receiver.stop);
  await expect(receiver.waitForRequests(1, 20)).rejects.toThrow('Received 0 of 1 requests in 20 ms');
});

test('the port is free again after stop, though a connection was open', async () => {
  const first = await startReceiver();
  await fetch(first.url, { method: 'POST', body: '' });
  await first.stop();
  const second = await startReceiver({ port: first.port });
  onTestFinished(second.stop);
  expect((await fetch(second.url)).status).toBe(200);
  expect(second.connections).toBe(1);
});
