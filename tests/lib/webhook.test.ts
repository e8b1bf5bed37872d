import { createHmac } from 'node:crypto';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { generateSigningSecret } from '../../lib/signing-secret.ts';
import { createWebhookSigner } from '../../lib/webhook.ts';

const body = '{"id":1,"command":"config:set shop NAME=Zoë 🦄","result_data":{"ok":true,"output":"a\\nb"}}';

describe('a signer of webhooks', () => {
  test("is verified by the library's own Webhook, and by nothing that was changed", () => {
    const secret = generateSigningSecret();
    const headers = createWebhookSigner(secret)({ id: 'msg_1', timestamp: new Date(), body });
    const webhook = new Webhook(secret);
    expect(webhook.verify(body, headers)).toEqual(JSON.parse(body));
    for (const [changedBody, changedHeaders] of [
      [`${body} `, headers],
      [body, { ...headers, 'webhook-id': 'msg_other' }],
      [body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }],
    ] as const) {
      expect(() => webhook.verify(changedBody, changedHeaders)).toThrow(WebhookVerificationError);
    }
    expect(() => new Webhook(generateSigningSecret()).verify(body, headers)).toThrow(WebhookVerificationError);
  });

  test('gives the headers of the specification, the timestamp in whole seconds', () => {
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const sign = createWebhookSigner(`whsec_${key.toString('base64')}`);
    const headers = sign({ id: 'msg_1', timestamp: new Date('2026-01-02T03:04:05.999Z'), body });
    const signature = createHmac('sha256', key).update(`msg_1.1767323045.${body}`).digest('base64');
    expect(headers).toEqual({
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1767323045',
      'webhook-signature': `v1,${signature}`,
    });
  });

  test.each(['', 'whsec_', 'plainsecret', 'whsec_not base64!', 'whpk_AAAA', 'whsec_A'])(
    'refuses %j as a secret without showing it',
    (secret) => {
      const sign = () => createWebhookSigner(secret);
      expect(sign).toThrow(/signing secret must be whsec_/);
      if (secret !== '' && secret !== 'whsec_') expect(sign).not.toThrow(secret);
    },
  );
});

test('a signing secret is whsec_ and 24 to 64 random bytes', () => {
  const secrets = Array.from({ length: 100 }, generateSigningSecret);
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32);
  }
  expect(new Set(secrets).size).toBe(100);
});
