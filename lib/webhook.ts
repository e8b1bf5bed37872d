import { Webhook } from 'standardwebhooks';

/** The headers of Standard Webhooks, by which a receiver knows the sender, the callback and its age. */
type WebhookHeaders = Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>;

interface UnsignedWebhook {
  /** The same for every attempt of one callback: receivers tell repetitions by it. */
  id: string;
  /** When this attempt is made. Receivers refuse one that is minutes old. */
  timestamp: Date;
  /** Exactly the text that is sent. */
  body: string;
}

export type SignWebhook = (webhook: UnsignedWebhook) => WebhookHeaders;

/**
 * Makes the headers that sign a body, after the Standard Webhooks specification: `v1,` and the base64 of HMAC-SHA256
 * over `id.timestamp.body`.
 * @param secret `whsec_…`, as given out
 * @throws where the secret is not `whsec_` and base64; the message does not hold it
 */
export function createWebhookSigner(secret: string): SignWebhook {
  const webhook = openSecret(secret);
  return ({ id, timestamp, body }) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(timestamp.getTime() / 1000)),
    'webhook-signature': webhook.sign(id, timestamp, body),
  });
}

function openSecret(secret: string): Webhook {
  // The library would sign with whatever another kind of secret happens to decode to.
  if (!/^whsec_(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)) {
    throw new Error('A signing secret must be whsec_ and base64: make a new key to have one');
  }
  return new Webhook(secret);
}
