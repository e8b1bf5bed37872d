import { describe, expect, test } from 'vitest';
import { readArguments } from '../../../../handlers/cli/keys/arguments.ts';
import { presetRules } from '../../../../lib/command-presets.ts';

const apiKey = '0123456789abcdef0123456789abcdef';
const bare = {
  name: null,
  role: 'run',
  owner: 'default',
  rules: null,
  servers: null,
  rateLimit: null,
  allowRedirects: false,
  expiresAfterMs: null,
};

describe('generate', () => {
  test('without options makes a key that nothing bounds', () => {
    expect(readArguments(['generate'], {})).toEqual({ action: 'generate', options: bare });
  });

  test('takes every option, and some several times', () => {
    const args = ['--name', 'CI', '--role', 'read', '--owner', 'shop', '--rule', 'apps:*', '--rule=logs shop --num 10'];
    args.push('--server', 'eu', '--server', 'us', '--rate', '60', '--expires', '90d', '--allow-redirects');
    expect(readArguments(['generate', ...args], {})).toEqual({
      action: 'generate',
      options: {
        name: 'CI',
        role: 'read',
        owner: 'shop',
        rules: ['apps:*', 'logs shop --num 10'],
        servers: ['eu', 'us'],
        rateLimit: 60,
        allowRedirects: true,
        expiresAfterMs: 90 * 86_400_000,
      },
    });
  });

  test('text is never taken for a number', () => {
    expect(readArguments(['generate', '--name', '007', '--owner', '1e3'], {})).toMatchObject({
      options: { name: '007', owner: '1e3' },
    });
  });

  test('a preset gives the rules of each app, and other rules are added', () => {
    const args = ['--preset', 'deploy', '--app', 'shop', '--app', 'blog', '--rule', 'apps:list'];
    expect(readArguments(['generate', ...args], {})).toMatchObject({
      options: { rules: [...presetRules('deploy', 'shop'), ...presetRules('deploy', 'blog'), 'apps:list'] },
    });
  });

  test.each([
    [['--rule', 'apps:* ** x'], '** may only stand alone'],
    [['--rule', ''], 'A rule needs at least one word'],
    [['--rule', '--app=* apps:list'], "'--rule' argument is ambiguous"],
    [['--rule=--app=* apps:list'], 'take no wildcard'],
    [['--role', 'root'], '--role is unknown: give one of metrics, read, run, admin.'],
    [['--expires', 'soon'], '--expires is not usable'],
    [['--expires', '90'], '--expires is not usable'],
    [['--expires', '0'], 'expires is not usable'],
    [['--expires', '999999w'], 'at most 100 years'],
    [['--rate', '0'], 'The rate is not usable'],
    [['--rate', '1e3'], '--rate is not usable'],
    [['--rate', '-5'], "'--rate' argument is ambiguous"],
    [['--owner', 'a b'], 'The owner is not usable'],
    [['--server', 'EU'], 'A server is not named as in DOKKU_SERVERS'],
    [['--name', ''], 'The name is not usable'],
    [['--preset', 'all', '--app', 'shop'], 'The only preset is deploy'],
    [['--preset', 'deploy'], 'add --app and its name'],
    [['--app', 'shop'], 'The only preset is deploy'],
    [['--preset', 'deploy', '--app', 'Shop'], 'not named as Dokku names apps'],
    [['--rules', 'apps:list'], "Unknown option '--rules'"],
    [['--allow-redirects=yes'], "'--allow-redirects' does not take an argument"],
    [['read'], 'keys:generate takes options only'],
  ])('refuses %j in one line', (args, message) => {
    const reading = () => readArguments(['generate', ...args], {});
    expect(reading).toThrow(message);
    expect(reading).not.toThrow('\n');
  });

  test('refuses what npm took for itself, since the key would be made without it', () => {
    expect(() => readArguments(['generate'], { npm_config_rule: 'apps:*' })).toThrow(
      'npm took --rule for itself: write npm run -s keys:generate -- and then the options.',
    );
    expect(() => readArguments(['generate'], { npm_config_allow_redirects: 'true' })).toThrow('npm took');
  });
});

test.each([
  [[apiKey], 86_400_000],
  [[apiKey, '--grace', '24h'], 86_400_000],
  [['--grace=30m', apiKey], 1_800_000],
  [[apiKey, '--grace', '0'], 0],
])('rotate %j', (args, graceMs) => {
  expect(readArguments(['rotate', ...args], {})).toEqual({ action: 'rotate', apiKey, graceMs });
});

test('explain leaves everything behind the key to the command', () => {
  const command = '--app shop ps:restart --help';
  expect(readArguments(['explain', apiKey, command], {})).toEqual({ action: 'explain', apiKey, command });
  expect(readArguments(['explain', apiKey, '-'], {})).toEqual({ action: 'explain', apiKey, command: null });
});

test.each([
  [['list'], { action: 'list', rules: false }],
  [['list', '--rules'], { action: 'list', rules: true }],
  [['delete', apiKey], { action: 'delete', apiKey }],
  [['list', '--help'], { action: 'help', about: 'list' }],
  [['explain', '-h'], { action: 'help', about: 'explain' }],
])('reads %j', (args, request) => {
  expect(readArguments(args, {})).toEqual(request);
});

test.each([
  [[], 'Write one of generate, list, delete, rotate, explain first'],
  [['destroy', apiKey], 'Write one of generate, list, delete, rotate, explain first'],
  [['list', 'x'], 'keys:list takes options only'],
  [['delete'], 'keys:delete takes <api key>'],
  [['delete', apiKey, apiKey], 'keys:delete takes <api key>'],
  [['rotate'], 'keys:rotate takes <api key>'],
  [['rotate', apiKey, '24h'], 'options behind --'],
  [['rotate', apiKey, '--grace', '-1h'], "'--grace' argument is ambiguous"],
  [['rotate', apiKey, '--grace', '400d'], 'give 365d at most'],
  [['explain', apiKey], 'the command in quotes'],
  [['explain', apiKey, 'apps:list', 'x'], 'the command in quotes'],
])('refuses %j in one line', (args, message) => {
  const reading = () => readArguments(args, {});
  expect(reading).toThrow(message);
  expect(reading).not.toThrow('\n');
});
