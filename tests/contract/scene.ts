import { createAccept } from '../../db/accept.ts';
import type { GeneratedKey } from '../../db/keys.ts';
import type { WireCommand } from '../../lib/command.ts';
import type { NewKey } from '../../lib/key.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { newCommand } from '../support/new-command.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Answer, type Sending, send } from '../support/send.ts';
import type { StandIn } from '../support/stand-in.ts';
import { beginLasting, type Lasting } from './lasting.ts';

export type Credentials = { 'Api-Key': string; 'Api-Secret': string };

/** One installation, on which every row of the contract is tried. */
export interface Scene {
  installation: Installation;
  /** Two servers' daemons. */
  daemon: StandIn;
  eu: StandIn;
  web: Web;
  receiver: Receiver;
  /** A web process that reaches Postgres and Redis through proxies, and holds `sync=true` for a second. */
  frail: { web: Web; postgres: TestProxy; redis: TestProxy };
  /** What was begun with the scene on the server `eu`, since the contract has it last longer than everything else. */
  lasting: Lasting;
  admin: Credentials;
  /** Sends with the admin's key, unless `headers` has another one. */
  send(method: string, path: string, sending?: Omit<Sending, 'method' | 'path'>): Promise<Answer>;
  post(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
  credentials(options?: Partial<NewKey>): Promise<Credentials>;
  /** Runs a command to its end. */
  finished(fields?: Record<string, string>): Promise<WireCommand>;
  /** Commands of an owner on a server that no worker has: they stay queued. */
  storeQueued(owner: string, count: number): Promise<void>;
  /** Waits until so many commands of this line have been accepted. */
  accepted(command: string, count: number): Promise<void>;
  /** Is done by `tidy`, whether the row held or not. */
  afterwards(undo: () => Promise<void>): void;
  tidy(): Promise<void>;
}

export const form = 'application/x-www-form-urlencoded';
export const notAToken = 'f'.repeat(64);

export async function setScene(): Promise<Scene> {
  const receiver = await startReceiver();
  const installation = await createInstallation({
    servers: ['default', 'eu'],
    env: { CALLBACK_ALLOW: '127.0.0.1', TRUSTED_PROXIES: '1' },
  });
  const [postgres, redis] = await Promise.all([
    startProxy({ target: installation.databaseUrl }),
    startProxy({ target: installation.redis.url }),
  ]);
  const [web, frail] = await Promise.all([
    installation.startWeb(),
    installation.startWeb({
      DATABASE_URL: postgres.url(installation.databaseUrl),
      REDIS_URL: redis.url(installation.redis.url),
      SYNC_WAIT: '1',
    }),
    installation.startWorker(),
  ]);
  const credentialsOf = ({ apiKey, apiSecret }: GeneratedKey) => ({ 'Api-Key': apiKey, 'Api-Secret': apiSecret });
  const admin = credentialsOf(await installation.generateKey({ role: 'admin' }));
  const daemonOf = (name: string): StandIn => {
    const daemon = installation.daemons.get(name);
    if (daemon === undefined) throw new Error(`there is no server ${name}`);
    return daemon;
  };
  const accept = createAccept(installation.database);
  const undone: (() => Promise<void>)[] = [];

  const scene: Omit<Scene, 'lasting'> = {
    installation,
    daemon: daemonOf('default'),
    eu: daemonOf('eu'),
    web,
    receiver,
    frail: { web: frail, postgres, redis },
    admin,
    send: (method, path, sending = {}) =>
      send(web.url, { method, path, ...sending, headers: { ...admin, ...sending.headers } }),
    post: (path, fields, headers = {}) =>
      scene.send('POST', path, {
        headers: { 'Content-Type': form, ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    credentials: async (options) => credentialsOf(await installation.generateKey(options)),
    finished: async (fields = { cmd: 'apps:list' }) =>
      JSON.parse((await scene.post('/commands', { ...fields, sync: 'true' })).body) as WireCommand,
    storeQueued: async (owner, count) => {
      for (let at = 0; at < count; at++) await accept(newCommand({ owner, server: 'nowhere' }), null);
    },
    accepted: async (command, count) => {
      await waitFor(
        async () => {
          const listed = await scene.send('GET', `/commands?limit=${count}&q=${encodeURIComponent(command)}`);
          return (JSON.parse(listed.body) as WireCommand[]).length === count;
        },
        { describe: `${count} commands ${command} to be accepted` },
      );
    },
    afterwards: (undo) => undone.push(undo),
    tidy: async () => {
      for (let undo = undone.pop(); undo !== undefined; undo = undone.pop()) await undo();
    },
  };
  return { ...scene, lasting: await beginLasting(web, scene.eu, admin) };
}
