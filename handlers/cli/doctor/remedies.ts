/** Where dokku-api was set up: as an app of Dokku, by `npm start`, or by hand. It decides which commands help. */
export type Place = 'dokku' | 'npm start' | 'host';

/** The commands to type, by what they do. */
export type Remedies = ReturnType<typeof remediesFor>;

type Command = Record<Place, string>;

/** Dokku runs no process without it, and nothing else here sets it. */
export function placeOf(given: NodeJS.ProcessEnv, environment: NodeJS.ProcessEnv): Place {
  if (given.DYNO) return 'dokku';
  return !given.DATABASE_URL && environment.DATABASE_URL ? 'npm start' : 'host';
}

export function remediesFor(place: Place) {
  const choose = (command: Command) => command[place];
  const everywhereElse = (dokku: string, elsewhere: string) => (place === 'dokku' ? dokku : elsewhere);
  const relink = (service: string) =>
    `dokku ${service}:unlink dokku-api dokku-api && dokku ${service}:link dokku-api dokku-api`;
  const service = (name: string, verb: 'start' | 'restart', command: (verb: string) => string) =>
    choose({
      dokku: `dokku ${name}:${verb} dokku-api`,
      'npm start': verb === 'start' ? 'npm start' : 'npm start (stop the one that runs first)',
      host: command(verb),
    });
  // A real one listens where the system keeps what runs.
  const isStandIn = (path: string) => place === 'npm start' && !/^(\/var)?\/run\//.test(path);
  const startDaemon = (path: string) => {
    if (isStandIn(path)) return 'npm start';
    const name = forwardedFrom(path);
    return name === null ? 'systemctl start dokku-daemon' : `systemctl restart dokku-daemon-forward@${name}`;
  };
  const restartDaemon = (path: string) => {
    if (isStandIn(path)) return 'npm start (stop the one that runs first)';
    const name = forwardedFrom(path);
    return `systemctl restart dokku-daemon${name === null ? '' : ` (on the host of ${name})`}`;
  };

  return {
    set: (variable: string, value: string) =>
      everywhereElse(`dokku config:set dokku-api ${variable}=${value}`, `export ${variable}=${value}`),
    unset: (variable: string) => everywhereElse(`dokku config:unset dokku-api ${variable}`, `unset ${variable}`),
    startPostgres: (host: string) => service('postgres', 'start', onHost(host, 'postgresql')),
    restartPostgres: (host: string) => service('postgres', 'restart', onHost(host, 'postgresql')),
    startRedis: (host: string) => service('redis', 'start', onHost(host, 'redis-server')),
    restartRedis: (host: string) => service('redis', 'restart', onHost(host, 'redis-server')),
    /** For a URL that leads to the wrong place, or with the wrong credentials. */
    correctDatabaseUrl: (url: string) =>
      choose({ dokku: relink('postgres'), 'npm start': 'npm start', host: `export DATABASE_URL=${url}` }),
    correctRedisUrl: (url: string) =>
      choose({ dokku: relink('redis'), 'npm start': 'npm start', host: `export REDIS_URL=${url}` }),
    makePostgres: choose({
      dokku: 'dokku postgres:create dokku-api && dokku postgres:link dokku-api dokku-api',
      'npm start': 'npm start',
      host: 'npm start (it starts a Postgres of its own), or export DATABASE_URL=postgres://user:password@localhost:5432/dokku_api',
    }),
    makeRedis: choose({
      dokku: 'dokku redis:create dokku-api && dokku redis:link dokku-api dokku-api',
      'npm start': 'npm start',
      host: 'npm start (it starts a Redis of its own), or export REDIS_URL=redis://localhost:6379',
    }),
    poolSessions: everywhereElse(
      relink('postgres'),
      "sed -i 's/^pool_mode *=.*/pool_mode = session/' /etc/pgbouncer/pgbouncer.ini && systemctl restart pgbouncer",
    ),
    upgradePostgres: everywhereElse('dokku postgres:upgrade dokku-api', 'apt-get install postgresql'),
    redisCommand: (host: string, port: string, command: string) =>
      everywhereElse(
        `echo '${command}' | dokku redis:connect dokku-api`,
        `redis-cli -h ${host} -p ${port} --askpass ${command}`,
      ),
    freeDisk: everywhereElse(
      'df -h /var/lib/dokku/services/postgres (it shows what is full: free some of it)',
      'df -h (on the host of Postgres; it shows what is full: free some of it)',
    ),
    /** @param name of the database, as SQL has it */
    allowWrites: (name: string) => {
      // The session that types it is read-only to begin with.
      const first = 'SET default_transaction_read_only = off';
      const statement = `ALTER DATABASE ${name} RESET default_transaction_read_only`;
      return everywhereElse(
        `echo '${first}; ${statement}' | dokku postgres:connect dokku-api`,
        `psql -U postgres -d ${name} -c '${first}' -c '${statement}' (some hosts set it when the disk fills: look at that first)`,
      );
    },
    migrate: choose({
      dokku: 'dokku run dokku-api npm run -s migrate',
      'npm start': 'npm start',
      host: 'npm run -s migrate',
    }),
    update: everywhereElse('git push dokku main', 'git pull && npm ci && npm run build'),
    startWorker: choose({
      dokku: 'dokku ps:scale dokku-api worker=1',
      'npm start': 'npm start',
      host: 'npm run -s worker',
    }),
    /** @param servers as DOKKU_SERVERS is written */
    startWorkerFor: (servers: string) =>
      choose({
        dokku: 'dokku ps:restart dokku-api worker',
        'npm start': `DOKKU_SERVERS=${servers} npm start`,
        host: `DOKKU_SERVERS=${servers} npm run -s worker`,
      }),
    restartWorker: choose({
      dokku: 'dokku ps:restart dokku-api worker',
      'npm start': 'npm start (stop the one that runs first)',
      host: 'npm run -s worker (stop the one that runs first)',
    }),
    startDaemon,
    restartDaemon,
    /** For a folder that is not there: not mounted, or not made yet. */
    makeFolder: (folder: string, path: string) =>
      everywhereElse(
        `dokku storage:mount dokku-api ${folder}:${folder} && dokku ps:restart dokku-api`,
        startDaemon(path),
      ),
    /** In place of the mount of a single file. */
    mountFolderInstead: (path: string, folder: string) =>
      everywhereElse(
        `dokku storage:unmount dokku-api ${path}:${path} && dokku storage:mount dokku-api ${folder}:${folder} && dokku ps:restart dokku-api`,
        `umount ${path}, and mount its folder ${folder} in its place`,
      ),
  };
}

function onHost(host: string, service: string): (verb: string) => string {
  const remote = ['localhost', '127.0.0.1', '[::1]', ''].includes(host) ? '' : `ssh ${host} `;
  return (verb) => `${remote}systemctl ${verb} ${service}`;
}

/** Where deploy/dokku-daemon-forward@.service has the sockets of other hosts, and by which name. */
function forwardedFrom(path: string): string | null {
  return /^(?:\/var)?\/run\/dokku-daemons\/([^/]+)\.sock$/.exec(path)?.[1] ?? null;
}
