/** What is posted to a command's `callback_url`. */
const signature =
  'By Standard Webhooks: `v1,` and the base64 HMAC-SHA256 over `id.timestamp.body` with the key’s signing secret.';

function header(name: string, description: string) {
  return { name, in: 'header', required: true, description, schema: { type: 'string' } } as const;
}

export const callback = {
  operationId: 'commandFinished',
  tags: ['Callbacks'],
  summary: 'A command has ended',
  description:
    'Posted to the `callback_url`, at once and, until it is taken, nine times more over about three days. 2xx takes it; redirects are not followed; 410 ends it.',
  security: [],
  parameters: [
    header('webhook-id', 'The same for every attempt at one callback.'),
    header('webhook-timestamp', 'Of this attempt, in seconds since 1970.'),
    header('webhook-signature', signature),
  ],
  requestBody: {
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Command' } } },
  },
  responses: {
    200: { description: 'Taken.' },
    410: { description: 'Not wanted any more: no further attempt is made.' },
  },
};
