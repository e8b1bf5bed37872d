import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { COMMAND_MAX_BYTES, type CommandLineCode, checkCommandLine } from '../../lib/command-line.ts';

const plain = { allowRedirects: false, socketNames: ['eu.sock'] };

function codeOf(text: string, options = plain): CommandLineCode | 'accepted' {
  const checked = checkCommandLine(text, options);
  return 'code' in checked ? checked.code : 'accepted';
}

describe('a command is cut at both ends and else kept as it is', () => {
  test.each([
    ['apps:list', 'apps:list'],
    ['  apps:list \t', 'apps:list'],
    ['\tconfig:set  shop\tK=v ', 'config:set  shop\tK=v'],
    ['\u00a0apps:list\u3000', '\u00a0apps:list\u3000'],
    ["config:set shop K='a b' Q=$HOME `id` a;b c|d e&f ~ {a,b} #x", undefined],
    ['config:set shop K=caf\u00e9 \u2713 \u{1f680} \u200b \ufeff', undefined],
    ['config:set shop P=C:\\temp', undefined],
  ])('%j', (text, command) => {
    expect(checkCommandLine(text, plain)).toEqual({ command: command ?? text });
  });
});

const refusals: [CommandLineCode, string[]][] = [
  ['blank', ['', ' ', '\t', ' \t \t']],
  ['invalid_unicode', ['apps:list \ud800', '\udfff', 'a \ud83d', '\udc00\ud800', '\ud800\n']],
  [
    'control_character',
    [
      '\n',
      'apps:list\n',
      'apps:list\nrefresh',
      'apps\r',
      'a\u0000b',
      'a\u000bb',
      'a\u000cb',
      'a \u001b[1m',
      'a\u007f',
      'a\u0080',
      'a\u0085b',
      'a\u009b1m',
      'a\u2028b',
      'a\u2029b',
    ],
  ],
  [
    'glob_refused',
    [
      'config:set shop *',
      'config:set shop **',
      '*',
      'config:set shop d*',
      'config:set shop *.sock',
      'config:set shop *okku-daemon.sock',
      'config:set shop *kku-daemon.sock',
      'config:set shop *k*d?e*n.*c*',
      'config:set shop dokku-daemon.soc?',
      'config:set shop ?????-??????.????',
      'config:set shop [d]okku-daemon.sock',
      'config:set shop [!a]*',
      'config:set shop [^a]*',
      'config:set shop [a-z]*',
      'config:set shop [[:alpha:]]*',
      'config:set shop [[:word:]]okku*',
      'config:set shop []d]okku*',
      'config:set shop [!]]okku*',
      'config:set shop dokku[-]*',
      'config:set shop dokku[x-]daemon*',
      'config:set shop [d-z]okku*',
      'config:set shop [a-d]okku*',
      'config:set shop dokku[+--]daemon*',
      'config:set shop [[.d.]]*',
      'config:set shop [[=d=]]*',
      'config:set shop [[:nonsense:]d]*',
      'config:set shop e*',
      'config:set shop ??.sock',
      'config:set shop */x',
      'config:set shop d*/../../etc/passwd',
      'config:set shop dokku-daemon.sock/*',
      'config:set shop /etc/hostn*',
      'config:set shop /?',
      'config:set shop /[',
      'config:set shop /*',
      'config:set shop ./*',
      'config:set shop ../run/*',
      'config:set shop .*',
      'config:set shop .[a-z]*',
      'config:set shop K=a\\*',
      'config:set shop \\[x',
      '* > /srv/x',
      'logs shop -t *',
    ],
  ],
  [
    'redirect_refused',
    [
      'apps:list > /srv/owned',
      'apps:list >> x',
      'apps:list >x y',
      'config:set shop K=a> /srv/owned2',
      'config:set < /etc/hostname',
      '< /etc/hostname',
      'a<b c',
      'apps:list\t>\t/x',
      'apps:list 2>&1 x',
      'logs shop > -t',
      // A daemon that reads without -r drops the last word, which is an escaped blank.
      'apps:list > \\ /x',
      'apps:list \\> x',
    ],
  ],
  [
    'never_ends',
    [
      'logs shop -t',
      'logs shop --tail',
      'logs --tail shop',
      '-t logs shop',
      'logs shop --tail=true',
      'logs shop --tail=false',
      'logs shop --follow',
      'logs shop --follow=1',
      'logs shop -qt',
      'logs shop -tq',
      'logs shop -n5t',
      'logs shop -t=true',
      'logs shop --ta',
      'logs shop --t',
      'logs shop --fol=x',
      'events -t',
      'postgres:logs db -t',
      'nginx:access-logs shop -t',
      'nginx:error-logs shop --follow',
      'logs:vector-logs --tail',
      'bogus logs -t',
      '--quiet logs shop\t-t',
      'lo\\gs shop -t',
      'logs shop -\\t',
    ],
  ],
];

describe.each(refusals)('%s', (code, lines) => {
  test.each(lines)('%j', (text) => {
    expect(codeOf(text)).toBe(code);
  });
});

describe('near misses are accepted', () => {
  test.each([
    'domains:add shop *.example.com',
    'config:set shop U=https://x/y?z=1',
    'config:set shop K=*',
    'config:set shop [!de]*',
    'config:set shop [!a-z]okku-daemon.sock',
    'config:set shop [d',
    'config:set shop [d/]okku-daemon.sock',
    'config:set shop d[okku-daemon.sock',
    'config:set shop [D]okku*',
    'config:set shop DOKKU*',
    'config:set shop [[:upper:]]*',
    'config:set shop ?dokku-daemon.sock',
    'config:set shop dokku-daemon.sock?',
    'config:set shop dokku-daemon.sock',
    'config:set shop us*',
    'config:set shop x/*',
    'config:set shop {d,x}*',
    'config:set shop ~/*',
    'config:set shop a\\b',
    'config:set shop a>b',
    'apps:list >',
    'config:set shop > a b',
    '>',
    'logs shop',
    'logs shop --num 100',
    'logs shop -n 100 -q',
    'logs shop -p web',
    'logs shop -p=test',
    'logs shop --trace',
    'logs shop --tails',
    'logs shop --=t',
    'logs shop -- -',
    'ps:restart shop -t',
    'apps:list --tail',
    'logstash:create x -t',
    'logsx --follow',
    'apps:destroy my-logs --force',
  ])('%j', (text) => {
    expect(codeOf(text)).toBe('accepted');
  });

  test('redirections, for keys that may have them', () => {
    const options = { allowRedirects: true, socketNames: [] };
    expect(codeOf('apps:list > /srv/x', options)).toBe('accepted');
    expect(codeOf('apps:list > /srv/*', options)).toBe('glob_refused');
    expect(codeOf('logs shop -t > x', options)).toBe('never_ends');
  });
});

test('the longest command has 32,768 bytes of UTF-8, blanks around it not counted', () => {
  const longest = `config:set shop K=${'\u00e9'.repeat((COMMAND_MAX_BYTES - 18) / 2)}`;
  expect(Buffer.byteLength(longest)).toBe(32_768);
  expect(codeOf(`  ${longest}\t `)).toBe('accepted');
  expect(codeOf(`${longest}x`)).toBe('too_long');
  expect(codeOf('\u{1f680}'.repeat(8193))).toBe('too_long');
});

test('only names of sockets that are configured, and the default, count', () => {
  expect(codeOf('config:set shop e*')).toBe('glob_refused');
  expect(codeOf('config:set shop e*', { allowRedirects: false, socketNames: [] })).toBe('accepted');
  expect(codeOf('config:set shop *k', { allowRedirects: false, socketNames: ['a', 'b'] })).toBe('glob_refused');
});

test('what a class holds beyond ASCII is left to bash', () => {
  const accented = { allowRedirects: false, socketNames: ['\u00fc.sock'] };
  expect(codeOf('config:set shop [[:alpha:]].sock', accented)).toBe('glob_refused');
  expect(codeOf('config:set shop [![:digit:]].sock', accented)).toBe('glob_refused');
  expect(codeOf('config:set shop ?.sock', accented)).toBe('glob_refused');
  expect(codeOf('config:set shop [u-\u00ff].sock', accented)).toBe('glob_refused');
  expect(codeOf('config:set shop [a-z].sock', accented)).toBe('accepted');
  expect(codeOf('config:set shop ??.sock', { ...accented, socketNames: ['\u{1f680}.sock'] })).toBe('accepted');
});

test('a wildcard does not stand for the dot that begins a name', () => {
  const hidden = { allowRedirects: false, socketNames: ['.hidden'] };
  expect(codeOf('config:set shop ?hidden', hidden)).toBe('accepted');
  expect(codeOf('config:set shop [.]hidden', hidden)).toBe('accepted');
  expect(codeOf('config:set shop *n', hidden)).toBe('accepted');
});

test('details say what to do and never repeat the command', () => {
  for (const [, lines] of refusals) {
    for (const text of lines) {
      const checked = checkCommandLine(text.replaceAll('shop', 'sEcReT'), plain);
      expect(checked).toHaveProperty(
        'detail',
        expect.stringMatching(/^(Give|Send|Keep|Leave|The second-last) .{30,}\.$/),
      );
      expect(checked).not.toHaveProperty('detail', expect.stringContaining('sEcReT'));
    }
  }
});

test('control characters are those of the C library that bash runs on', () => {
  const script = `for ((code = 1; code < 0x10000; code++)); do
    ((code >= 0xd800 && code < 0xe000)) && continue
    printf -v hex %x "$code"; printf -v character "\\\\U$hex"
    [[ $character == [[:cntrl:]] ]] && echo "$code"
  done`;
  const bash = spawnSync('bash', ['-c', script], { encoding: 'utf8', env: { LC_ALL: 'C.UTF-8' } });
  const theirs = bash.stdout.trim().split('\n').map(Number);
  const ours = Array.from({ length: 0x10000 }, (_, code) => code).filter(
    (code) => code > 0 && codeOf(`a${String.fromCharCode(code)}b`) === 'control_character',
  );
  expect(theirs).toHaveLength(66);
  expect(ours).toEqual(theirs.filter((code) => code !== 9));
});
