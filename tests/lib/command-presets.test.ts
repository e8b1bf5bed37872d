import { describe, expect, test } from 'vitest';
import { presetRules } from '../../lib/command-presets.ts';
import { matchRules, parseRule } from '../../lib/command-rules.ts';

const rules = presetRules('deploy', 'shop');

test('every rule can be read, names the app, and is there once', () => {
  for (const rule of rules) {
    expect(parseRule(rule)).toHaveProperty('words');
    expect(rule.split(' ')).toContain('shop');
  }
  expect(new Set(rules).size).toBe(rules.length);
});

describe('deploy allows', () => {
  test.each([
    'config:set shop A=1 B=https://x/?y',
    'config:set --no-restart shop A=1',
    'config:set --encoded --no-restart shop A=MQ==',
    'config:unset shop A B',
    'config:get shop A',
    'config:show shop',
    'config:export --format json shop',
    'ps:report shop',
    'ps:restart shop',
    'ps:restart shop web',
    'ps:rebuild shop',
    'ps:scale shop',
    'ps:scale shop web=2 worker=1',
    'logs shop',
    'logs shop --num 100',
    'domains:add shop a.example.com *.example.com',
    'domains:report shop',
    'certs:report shop',
    'certs:remove shop',
    'checks:disable shop',
    'checks:run shop web',
    'git:from-image shop registry.example.com/team/shop:1.2.3',
    'git:from-image shop shop@sha256:0123',
    'git:sync shop https://example.com/team/shop.git',
    'git:sync --build shop https://example.com/team/shop.git main',
    'git:sync --build-if-changes shop git@example.com:team/shop.git v1',
    'nginx:report shop --format json',
  ])('%j', (command) => {
    expect(matchRules(rules, command)).toMatchObject({ allowed: true });
  });
});

describe('deploy does not allow', () => {
  test.each([
    'apps:list',
    'apps:destroy shop',
    'apps:create shop',
    'config:set blog A=1',
    'config:set --global A=1',
    'config:set shop A=1 --global',
    'config:show --merged shop',
    'ps:restart blog',
    'ps:restart --all',
    'ps:report',
    'ps:report blog',
    'ps:report shop --global',
    'ps:set shop restart-policy always',
    'storage:mount shop /:/host',
    'storage:list shop',
    'docker-options:add shop deploy --privileged',
    'docker-options:add shop deploy -v=/:/host',
    'plugin:install https://example.com/x.git',
    'plugin:list',
    'run shop sh',
    'run:detached shop sh',
    'enter shop',
    'domains:add-global shop example.com',
    'domains:set-global shop',
    'domains:remove-global shop',
    'certs:add shop /home/dokku/blog/tls/server.crt /home/dokku/blog/tls/server.key',
    'certs:update shop a b',
    'certs:show shop key',
    'logs blog',
    'logs shop -t',
    'logs shop --num 1;id',
    'logs shop --num $(id)',
    'logs shop --ps ../../blog/web',
    'git:sync shop /home/dokku/blog',
    'git:sync shop ../blog',
    'git:sync shop file:///home/dokku/blog',
    'git:sync shop ext::sh',
    'git:sync shop --build https://example.com/x.git',
    'git:sync blog https://example.com/x.git',
    'git:from-image --build-dir /etc shop alpine',
    'git:from-archive shop https://example.com/x.tar',
    'git:auth example.com user password',
    'nginx:set shop hsts false',
    'config:set shop > /etc/passwd',
    'git:from-image shop < /etc/passwd',
    'refresh',
    'commands',
  ])('%j', (command) => {
    expect(matchRules(rules, command)).toEqual({ allowed: false });
  });
});

describe('the app is a name that Dokku gives', () => {
  test.each(['shop', 'a', '1', 'my-app', 'my.app-2', 'logs', 'a'.repeat(128)])('%j', (app) => {
    expect(presetRules('deploy', app)).toContain(`logs ${app}`);
  });

  test.each([
    '',
    ' ',
    '*',
    '**',
    'sh*p',
    'shop **',
    'shop ',
    ' shop',
    'shop\t',
    'shop\n',
    'shop\nblog',
    '-shop',
    '--all',
    '--app=x',
    '.shop',
    'Shop',
    'shop_1',
    'shop:1',
    'a/b',
    '../x',
    'shop;id',
    'shop$x',
    'sh\\op',
    'sh?p',
    'sh[o]p',
    'shop>x',
    'caf\u00e9',
    'shop\u00a0x',
    'a'.repeat(129),
  ])('not %j', (app) => {
    expect(() => presetRules('deploy', app)).toThrow(/not named as Dokku names apps: give lower-case/);
  });
});
