import { describe, expect, test } from 'vitest';
import { matchRules, parseRule, RULE_MAX_LENGTH } from '../../lib/command-rules.ts';

function allowed(rule: string, command: string): boolean {
  return matchRules([rule], command).allowed;
}

describe('parseRule', () => {
  test.each([
    'apps:list',
    ' ps:restart\tshop ',
    'config:* shop **',
    '*:report shop',
    '**',
    '* **',
    '--quiet apps:list',
    'ps:restart --* shop',
    '--app shop ps:restart',
    'ps:restart --app=shop',
    'mysql:import db < *',
    `apps:list ${'x'.repeat(RULE_MAX_LENGTH - 10)}`,
  ])('reads %j', (text) => {
    expect(parseRule(text)).toHaveProperty('words');
  });

  test.each([
    ['', 'at least one word'],
    [' \t ', 'at least one word'],
    ['** shop', 'last word'],
    ['config:** shop', 'last word'],
    ['config:set *** ', 'last word'],
    ['a ** **', 'last word'],
    ['ps:restart sh?p', 'only wildcards'],
    ['ps:restart [a-z]*', 'only wildcards'],
    ['ps:restart sh\\op', 'only wildcards'],
    ['apps:list\nrefresh', 'control characters'],
    ['apps:list \u0000', 'control characters'],
    ['apps:list \u009b', 'control characters'],
    ['apps:list \ud800', 'control characters'],
    ['ps:restart --app=*', 'in full'],
    ['ps:restart --APP=s*', 'in full'],
    ['config:set --global=* x', 'in full'],
    [`apps:list ${'x'.repeat(RULE_MAX_LENGTH)}`, '1024 characters'],
  ])('refuses %j and says why', (text, reason) => {
    expect(parseRule(text)).toEqual({ detail: expect.stringContaining(reason) });
  });
});

describe('allowed', () => {
  test.each([
    ['apps:list', 'apps:list'],
    ['ps:restart shop', 'ps:restart shop'],
    ['ps:restart shop', '  ps:restart \t  shop  '],
    ['  ps:restart   shop ', 'ps:restart shop'],
    ['ps:restart *', 'ps:restart shop'],
    ['ps:restart sh*', 'ps:restart sh'],
    ['ps:restart sh*p', 'ps:restart shop'],
    ['ps:restart *-*-web', 'ps:restart a-b-c-web'],
    ['apps:*', 'apps:create'],
    ['apps:*', 'apps:help'],
    ['*:report shop', 'git:report shop'],
    ['*:report shop', 'docker-options:report shop'],
    ['config:* shop **', 'config:show shop'],
    ['config:* shop **', 'config:set shop A=1 B=2'],
    ['config:* shop **', 'config:set shop U=https://x/y?z=1'],
    ['config:* shop **', 'config:set shop P=C:\\temp'],
    ['domains:add shop **', 'domains:add shop *.example.com'],
    ['**', 'run shop sh'],
    ['* **', 'storage:mount shop /a:/b'],
    ['config:set --no-restart shop **', 'config:set --no-restart shop A=1'],
    ['config:set --* shop **', 'config:set --encoded shop A=1'],
    ['config:set shop --*', 'config:set shop --no-restart'],
    ['config:set -* shop', 'config:set --x=/y shop'],
    ['logs shop --num *', 'logs shop --num 100'],
    ['logs shop -n*', 'logs shop -n100'],
    ['ps:restart --app shop', 'ps:restart --app shop'],
    ['ps:restart --app=shop', 'ps:restart --app=shop'],
    ['--app shop ps:*', '--app shop ps:restart'],
    ['ps:restart --all', 'ps:restart --all'],
    ['config:set --global **', 'config:set --global A=1'],
    ['ps:restart --* shop', 'ps:restart --apply shop'],
    ['refresh', 'refresh'],
    ['commands', 'commands'],
    ['apps:* **', 'apps:list refresh'],
    ['apps:list > *', 'apps:list > /srv/x'],
    ['config:set shop **', 'config:set shop a>b'],
    ['ps:restart Shop', 'ps:restart Shop'],
  ])('%j lets through %j', (rule, command) => {
    expect(allowed(rule, command)).toBe(true);
  });
});

const bypasses: Record<string, [string, string][]> = {
  'another command or app': [
    ['ps:restart shop', 'ps:restart blog'],
    ['ps:restart shop', 'ps:stop shop'],
    ['ps:restart shop', 'ps:restart'],
    ['ps:restart shop', 'ps:restart shop blog'],
    ['ps:restart shop', 'x ps:restart shop'],
    ['ps:restart shop', 'ps:restartshop'],
    ['ps:restart sh*p', 'ps:restart sh'],
    ['ps:restart a*a', 'ps:restart a'],
    ['ps:restart *ab*ab', 'ps:restart ab'],
    ['*:report shop', 'git:report blog'],
    ['*:report shop', 'git:report'],
    ['*:report shop', 'git:report shop blog'],
    ['config:* shop **', 'config:set'],
    ['config:* shop **', 'config:set blog shop'],
    ['* shop', 'shop'],
    ['*', 'apps:destroy shop'],
  ],
  'letter case': [
    ['ps:restart shop', 'PS:restart shop'],
    ['ps:restart shop', 'ps:restart SHOP'],
  ],
  'the help suffix': [
    ['apps:list', 'apps:list:help'],
    ['apps:list', 'apps:list help'],
    ['ps:restart shop', 'ps:help'],
  ],
  'options anywhere': [
    ['config:* shop **', '--no-restart config:set shop A=1'],
    ['config:* shop **', 'config:set --no-restart shop A=1'],
    ['config:* shop **', 'config:set shop --no-restart'],
    ['config:* shop **', 'config:set shop A=1 --no-restart'],
    ['config:* shop **', 'config:set shop A=1 -x'],
    ['config:* shop **', 'config:set shop A=1 -'],
    ['config:* shop **', 'config:set shop -- A=1'],
    ['apps:destroy *', 'apps:destroy --force'],
    ['*', '--version'],
    ['*op', '-op'],
    ['**', '--quiet apps:list'],
    ['**', 'apps:list --quiet'],
    ['config:set --no-restart shop', 'config:set --encoded shop'],
    ['config:set --no-restart shop', 'config:set --no-restart=false shop'],
    ['config:set --* shop', 'config:set -x shop'],
    ['config:set --* shop', 'config:set shop'],
  ],
  'another target by an option': [
    ['ps:restart **', 'ps:restart --app blog'],
    ['ps:restart **', 'ps:restart --app=blog'],
    ['ps:restart shop', 'ps:restart shop --app=blog'],
    ['ps:restart shop', '--app blog ps:restart shop'],
    ['ps:restart --*', 'ps:restart --all'],
    ['ps:restart --*', 'ps:restart --app=blog'],
    ['ps:restart --a*', 'ps:restart --app'],
    ['ps:restart -*', 'ps:restart --all'],
    ['ps:restart -*', 'ps:restart -all'],
    ['ps:restart -*', 'ps:restart --ALL=true'],
    ['config:set --* A=1', 'config:set --global A=1'],
    ['config:set --*=* A=1', 'config:set --global=true A=1'],
    ['ps:restart --app shop', 'ps:restart --app blog'],
    ['ps:restart --app shop', 'ps:restart --app=shop'],
    ['ps:restart --app=shop', 'ps:restart --app=blog'],
    ['ps:restart --app=shop', 'ps:restart --app shop'],
    ['ps:restart --all', 'ps:restart --all=true'],
  ],
  'blanks that bash does not split at': [
    ['ps:restart shop', 'ps:restart\u00a0shop'],
    ['ps:restart shop', 'ps:restart shop\u3000'],
    ['ps:restart shop', '\u2003ps:restart shop'],
    ['ps:restart shop', 'ps:restart shop\ufeff'],
    ['ps:restart shop', 'ps:restart \u200bshop'],
  ],
  'more than one line': [
    ['**', 'apps:list\nrefresh'],
    ['**', 'apps:list\r'],
    ['apps:list', 'apps:list\n'],
    ['**', 'apps:list \u0000'],
    ['**', 'apps:list\u2028x'],
    ['**', 'apps:list\u0085x'],
    ['**', 'apps:list \ud800'],
  ],
  'file names in the place of words': [
    ['ps:restart **', 'ps:restart *'],
    ['ps:restart *', 'ps:restart /etc/*'],
    ['ps:restart *', 'ps:restart ./*'],
    ['ps:restart *', 'ps:restart d[a-z]*'],
    ['ps:restart *', 'ps:restart dokku-daemon.soc?'],
    ['ps:restart *', 'ps:restart *'],
    ['*:report shop', '*:report shop'],
    ['**', 'a?:list'],
  ],
  redirections: [
    ['apps:list **', 'apps:list > /srv/x'],
    ['apps:list * *', 'apps:list > /srv/x'],
    ['apps:list **', 'apps:list x y> /srv/x'],
    ['config:set shop K=* *', 'config:set shop K=a> /srv/x'],
    ['mysql:import db **', 'mysql:import db < /etc/passwd'],
    ['apps:list > /srv/x', 'apps:list > /srv/y'],
    ['apps:list > *', 'apps:list >> /srv/x'],
    ['* *', '> /srv/x'],
  ],
  'what the daemon answers itself': [
    ['*', 'refresh'],
    ['**', 'refresh'],
    ['ref*', 'refresh'],
    ['*', 'commands'],
    ['com* **', 'commands x'],
    ['* **', 'commands'],
    ['**', 're\\fresh'],
  ],
  'programs in the place of a command': [
    ['config:* shop **', 'config:../../../../bin/sh shop'],
    ['*:report shop', '../../x:report shop'],
    ['* shop', '/bin/sh shop'],
    ['**', '../x'],
    ['--quiet **', '--quiet ../x'],
    ['--app shop ps:*', '--app shop ps:../x'],
    ['config:* shop', 'config:$x shop'],
  ],
  'backslashes that older daemons take out': [
    ['ps:restart **', 'ps:restart \\--all'],
    ['ps:restart **', 'ps:restart \\-\\-app=blog'],
    ['ps:restart --*', 'ps:restart --\\all'],
    ['ps:restart * shop', 'ps:restart \\ shop'],
    ['ps:restart *', 'ps:restart blog\\ --all'],
    ['apps:list **', 'apps:list \\> /srv/x'],
    ['config:* shop', 'config:\\../x shop'],
    ['ps:restart shop', 'ps:restart sh\\op'],
  ],
  'what no key may run': [
    ['logs shop **', 'logs shop -t'],
    ['logs shop --tail', 'logs shop --tail'],
    ['**', ''],
    ['**', ' '],
    ['**', `apps:list ${'x'.repeat(32_768)}`],
  ],
  'rules that cannot be read': [
    ['', 'apps:list'],
    [' ', ' '],
    ['** x', 'apps:list x'],
    ['apps:**', 'apps:list'],
    ['ps:restart --app=*', 'ps:restart --app=*'],
    ['ps:restart ?', 'ps:restart ?'],
  ],
};

describe.each(Object.entries(bypasses))('not by %s', (_, pairs) => {
  test.each(pairs)('%j stops %j', (rule, command) => {
    expect(matchRules([rule], command)).toEqual({ allowed: false });
  });
});

describe('several rules', () => {
  test('none allow everything', () => {
    expect(matchRules([], 'run shop sh > /srv/x')).toEqual({ allowed: true, rule: null });
  });

  test('the first that matches is named as it was given', () => {
    const rules = ['** broken', 'ps:* blog', ' ps:*  shop', 'ps:restart shop'];
    expect(matchRules(rules, 'ps:restart shop')).toEqual({ allowed: true, rule: ' ps:*  shop' });
    expect(matchRules(rules, 'ps:restart web')).toEqual({ allowed: false });
  });

  test('broken ones alone are not the same as none', () => {
    expect(matchRules([''], 'apps:list')).toEqual({ allowed: false });
  });
});
