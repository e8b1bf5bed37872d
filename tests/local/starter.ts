/**
 * Starts a local server in a process of its own, which the tests then kill, or run as another user:
 * `starter.ts <module> <function> <options as JSON> [uid]`. Prints each step, and the server or the error, as JSON.
 */
import { pathToFileURL } from 'node:url';
import type { LocalServer, OnProgress } from '../../lib/local/server-process.ts';

type Start = (options: { onProgress: OnProgress }) => Promise<LocalServer>;

const [module = '', name = '', options = '{}', uid] = process.argv.slice(2);
const print = (entry: object) => process.stdout.write(`${JSON.stringify(entry)}\n`);
const { [name]: start } = (await import(pathToFileURL(module).href)) as Record<string, Start>;
if (start === undefined) throw new Error(`${module} exports no ${name}`);
if (uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}
try {
  const onProgress: OnProgress = (step) => print({ step });
  const { stop, exited, ...server } = await start({ ...JSON.parse(options), onProgress });
  print({ server });
  process.once('SIGTERM', () => {
    void stop();
  });
  await exited;
} catch (error) {
  print({ error: (error as Error).message });
}
