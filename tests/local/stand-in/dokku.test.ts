import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../support/stand-in.ts';

let standIn: StandIn;

/** The daemon's reply to one line, its output as dokku printed it; only for output without a literal `\n` in it. */
async function dokku(line: string): Promise<{ ok: boolean; output: string }> {
  const reply = await standIn.send(line);
  const match = /^\{"ok":(true|false),"output":"(.*)"\}$/s.exec(reply);
  const output = (match?.[2] ?? '').replaceAll('\\n', '\n').replaceAll('\\"', '"');
  return { ok: match?.[1] === 'true', output };
}

async function output(line: string): Promise<string> {
  const { ok, output } = await dokku(line);
  expect(ok, `${line}: ${output}`).toBe(true);
  return output;
}

async function failure(line: string): Promise<string> {
  const { ok, output } = await dokku(line);
  expect(ok, `${line}: ${output}`).toBe(false);
  return output;
}

beforeAll(async () => {
  standIn = await startStandIn({ connectMs: 0, commandMs: 0 });
});

test('it begins with a few apps, deployed', async () => {
  expect(await output('apps')).toBe('=====> My Apps\napi\ndokku-api\nhello_world');
  expect(await output('--quiet apps:list')).toBe('api\ndokku-api\nhello_world');
  expect(JSON.parse(await output('apps:list --format json'))).toEqual(['api', 'dokku-api', 'hello_world']);
  expect(await output('ps:report api --running')).toBe('true');
});

test('an app that does not exist', async () => {
  for (const line of ['ps:restart shop', 'config:show shop', 'logs shop', 'domains:add shop a.b', 'apps:report shop']) {
    expect(await failure(line)).toBe(' !     App shop does not exist');
    expect(standIn.runs().at(-1)?.exit).toBe(20);
  }
});

test('apps: created, renamed, reported, destroyed', async () => {
  expect(await output('apps:create shop')).toMatch(/^-----> Creating shop\.\.\./);
  expect(await failure('apps:create shop')).toBe(' !     Name is already taken');
  expect(await failure('apps:create Shop')).toMatch(/^ ! {5}App name must begin with lowercase/);
  expect(await failure('apps:create')).toBe(' !     Please specify an app to run the command on');
  expect(await output('apps:exists shop')).toBe('');
  expect(await output('config:set --no-restart shop A=1')).toContain('Setting config vars');
  expect(await output('apps:rename shop store')).toMatch(/^-----> Renaming shop to store\.\.\./);
  expect(await output('config:get store A')).toBe('1');
  expect(await failure('apps:exists shop')).toContain('does not exist');
  expect(await output('apps:report store')).toMatch(/^=====> store app information\n {7}App created at: {16}\d+\n/);
  expect(JSON.parse(await output('apps:report store --format json'))).toMatchObject({ 'app-dir': '/home/dokku/store' });
  expect(await output('apps:report store --app-locked')).toBe('false');
  expect(await failure('apps:report store --nope')).toMatch(
    /^ ! {5}Invalid flag passed, valid flags: --app-created-at,/,
  );
  expect(await output('--force apps:destroy store')).toContain('Destroying store (including all add-ons)');
  expect(await output('apps')).toBe('=====> My Apps\napi\ndokku-api\nhello_world');
});

test('config: set, shown, exported, unset, encoded, global', async () => {
  const set = await output('config:set api B=2 A=x=y');
  expect(set).toMatch(/^-----> Setting config vars\n {7}A: {2}x=y\n {7}B: {2}2\n-----> Restarting app api\n/);
  expect(await output('config:set --no-restart api C=3')).toBe('-----> Setting config vars\n       C:  3');
  const encoded = Buffer.from("it's 'two' words").toString('base64');
  await output(`config:set --no-restart --encoded api LONG_KEY=${encoded}`);
  expect(await output('config:show api')).toBe(
    "=====> api env vars\nA:         x=y\nB:         2\nC:         3\nLONG_KEY:  it's 'two' words\nNODE_ENV:  production",
  );
  expect(await output('config:export api')).toContain("export LONG_KEY='it'\\''s '\\''two'\\'' words'");
  expect(JSON.parse(await output('config:export api --format json'))).toMatchObject({
    A: 'x=y',
    NODE_ENV: 'production',
  });
  expect(await output('config:unset --no-restart api LONG_KEY B')).toBe(
    '-----> Unsetting LONG_KEY\n-----> Unsetting B',
  );
  expect(await failure('config:get api B')).toBe('');
  expect(await failure('config:set api 1A=2')).toBe(" !     Invalid key name: '1A'");
  expect(await failure('config:set api A')).toBe(' !     Invalid env pair: A');
  expect(await failure('config:set --encoded api A=!')).toBe(" !     illegal base64 data for key 'A'");
  await output('config:set --global CURL_TIMEOUT=60');
  expect(await output('config:get --global CURL_TIMEOUT')).toBe('60');
  expect(await output('config:export api --merged --format shell')).toContain("CURL_TIMEOUT='60'");
  expect(JSON.parse(await output('config:report api --format json'))).toMatchObject({ 'config-keys': 'A C NODE_ENV' });
});

test('ps: scaled, stopped, started, rebuilt, inspected, in colour', async () => {
  expect(await output('ps:scale dokku-api')).toBe(
    '-----> Scaling for dokku-api\nproctype: qty\n--------: ---\nweb: 1\nworker: 1',
  );
  expect(await output('ps:scale dokku-api worker=3')).toContain('Scaling dokku-api:worker=3');
  expect(JSON.parse(await output('ps:scale dokku-api --format json'))).toEqual({ web: 1, worker: 3 });
  expect(await failure('ps:scale dokku-api web=x')).toBe(' !     Invalid count for process type web');
  expect(await output('ps:restart dokku-api')).toContain('\u001b[1G\u001b[36m-----> Deploying dokku-api...\u001b[0m\n');
  expect(await output('ps:rebuild dokku-api')).toContain('\rExporting layers 40%');
  const first = JSON.parse(await output('ps:inspect dokku-api'));
  expect(first).toHaveLength(4);
  await output('ps:stop dokku-api');
  const report = JSON.parse(await output('ps:report dokku-api --format json'));
  expect(report).toMatchObject({
    running: 'false',
    processes: '4',
    'status-worker-3': expect.stringMatching(/^exited/),
  });
  await output('ps:start dokku-api');
  expect(JSON.parse(await output('ps:inspect dokku-api'))[0].Id).not.toBe(first[0].Id);
  await output('apps:create fresh');
  expect(await output('ps:restart fresh')).toBe(' !     App fresh has not been deployed');
  expect(await output('ps:restart --all')).toMatch(
    /Restarting app api\n.*has not been deployed.*Restarting app hello_world/s,
  );
});

test('domains: added, removed, set, cleared', async () => {
  expect(await output('domains:report hello_world --domains-app-vhosts')).toBe('hello_world.dokku.me');
  expect(await output('domains:add hello_world a.example b.example')).toBe(
    '-----> Added a.example to hello_world\n-----> Added b.example to hello_world',
  );
  expect(await output('domains:add hello_world a.example')).toContain('already added');
  await output('domains:remove hello_world hello_world.dokku.me');
  expect(await output('domains:report hello_world --domains-app-vhosts')).toBe('a.example b.example');
  await output('domains:set hello_world c.example');
  expect(JSON.parse(await output('domains:report hello_world --format json'))).toEqual({
    'domains-app-enabled': 'true',
    'domains-app-vhosts': 'c.example',
    'domains-global-enabled': 'true',
    'domains-global-vhosts': 'dokku.me',
  });
  expect(await failure('domains:add hello_world bad_name')).toBe(' !     bad_name is invalid. exiting...');
  await output('domains:clear hello_world');
  expect(await output('domains:report hello_world --domains-app-vhosts')).toBe('');
});

test('logs and events: coloured, and as many as asked for', async () => {
  await output('ps:restart hello_world');
  const lines = (await output('logs hello_world --num 2')).split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^.\[\d\dm\d{4}-\d\d-\d\dT[\d:.]+Z app\[web\.1\]:.\[0m Listening on port 5000$/);
  expect(await output('logs hello_world -n 1 -q')).toBe('Listening on port 5000');
  expect(await output('logs api --ps web.2')).not.toContain('web.1');
  expect(await failure('logs api --num x')).toContain('invalid argument "x"');
  expect(await output('events')).toContain('INVOKED: post-deploy( hello_world )');
});

test('help, version, and every other report', async () => {
  expect(await output('help')).toMatch(/^Usage: dokku .*\n\nPrimary help options/);
  const listed = (await output('help --all')).split('\n').filter((line) => line.startsWith('    '));
  const known = (await output('commands')).split('\n');
  expect(listed.map((line) => line.trim().split(' ')[0]).toSorted()).toEqual(known);
  expect(await output('ps:help')).toContain('ps:rebuild');
  expect(await output('version')).toMatch(/^dokku version \d/);
  for (const command of known.filter((name) => name.endsWith(':report'))) {
    expect(JSON.parse(await output(`${command} api --format json`)), command).toBeTypeOf('object');
    expect(await output(command), command).toMatch(/^=====> api \w+ information\n/);
  }
});

test('all of it is still there after a restart, a killed one too', async () => {
  await output('apps:create lasting');
  await output('config:set lasting __proto__=kept');
  const questions = ['apps', 'config:show lasting', 'ps:report', 'domains:report', 'logs api', 'events'];
  const before = await Promise.all(questions.map((line) => standIn.send(line)));
  const runs = standIn.runs().length;
  await standIn.kill('SIGKILL');
  await standIn.restart();
  expect(await Promise.all(questions.map((line) => standIn.send(line)))).toEqual(before);
  expect(before[1]).toContain('__proto__:  kept');
  await standIn.stop();
  await standIn.restart();
  expect(await Promise.all(questions.map((line) => standIn.send(line)))).toEqual(before);
  expect(standIn.runs().map(({ run }) => run)).toEqual(Array.from({ length: runs + 12 }, (_, index) => index + 1));
});
