import { hc } from 'hono/client';
import type { App } from './app.ts';

export type Client = ReturnType<typeof hc<App>>;

/**
 * A client for programs in TypeScript: paths, fields and answers are those of the route table.
 * @param url of the API, without a slash at its end
 */
export function createClient(url: string, { apiKey, apiSecret }: { apiKey: string; apiSecret: string }): Client {
  return hc<App>(url, { headers: { 'Api-Key': apiKey, 'Api-Secret': apiSecret } });
}
