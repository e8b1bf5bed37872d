import type { CallbackClient, CallbackClientOptions } from '../../lib/callback-request.ts';

/** A client that is loaded with the first callback: many workers never send one, and it is as much code as all their rest. */
export function lazyCallbackClient(options: CallbackClientOptions): CallbackClient {
  let loading: Promise<CallbackClient> | undefined;
  const load = async () => (await import('../../lib/callback-request.ts')).createCallbackClient(options);
  return {
    async post(request) {
      loading ??= load();
      return await (await loading).post(request);
    },
    async close() {
      await (await loading)?.close();
    },
  };
}
