import fc from 'fast-check';

/** The daemon's default first. */
export const SOCKET_NAMES = ['dokku-daemon.sock', 'eu.sock', 'ünï-[x.sock'];

export interface CommandCase {
  command: string;
  allowRedirects: boolean;
  rules: string[];
}

const pick = (...texts: string[]) => fc.constantFrom(...texts);
const pickWord = (text: string) => pick(...text.split(' '));

const commandName = pickWord(
  'apps:list apps:destroy config:set config ps:restart git:report ps:report domains:add-global ' +
    'storage:mount run logs events postgres:logs nginx:access-logs logs:failed refresh commands ' +
    'config:../../bin/sh Config:set config:help',
);
const appName = pick('shop', 'shop', 'shop', 'blog', 'my-logs', 'Shop');
const option = pickWord(
  '--no-restart --force --app --app=blog --all --global --global=true -all --APP=x --apply -t -qt ' +
    '-p=test -n5 -n --tail --tail=true --ta --trace --follow --num -- - --=t',
);
const value = pick(
  'K=v',
  'K=a/b',
  'web=1',
  '100',
  'https://x/y?z=1',
  '*.example.com',
  "K='a",
  '"b"',
  'K=$HOME',
  '@(a)',
  '!(x)',
  '+(shop)',
  '{a,b}',
  '~',
  'é',
  'a\u00a0b',
  'shop\u3000',
  '\u2003',
);
const backslashed = pick(
  '\\',
  'a\\',
  '\\-\\-app',
  '-\\t',
  'lo\\gs',
  're\\fresh',
  '\\>',
  'K=a\\b',
  '\\*',
  '.\\x',
  'sh\\op',
  '\\\\',
);
const redirect = pick('>', '<', '>>', '2>', 'a>b', 'K=x>', '<x', '/etc/passwd');
const control = pick(
  '\n',
  'a\nb',
  '\r',
  'x\r',
  '\u007f',
  '\u0085',
  '\u009b',
  '\u2028',
  '\u2029',
  '\u001b[1m',
  '\u200b',
  '\ufeff',
);
const wild = pick(
  '*',
  '**',
  '?',
  '[',
  ']',
  '[]',
  'a*',
  '*x',
  './*',
  '/etc/*',
  '../x?',
  'x/*',
  '.*',
  'dokku-daemon.sock',
  '[x',
  'dokku-daemon.sock/*',
);

/** What may stand for one character of a socket's name, or may just not. */
function globFor(character: string) {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(character) },
    { weight: 2, arbitrary: fc.constant('?') },
    { weight: 2, arbitrary: fc.constant('*') },
    { weight: 1, arbitrary: fc.constant('**') },
    { weight: 1, arbitrary: fc.constant('') },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          pick('', '', '!', '^'),
          fc.array(
            pick(
              character,
              'x',
              ']',
              '-',
              'a-z',
              '+--',
              'A-Z',
              '0-9',
              'z-a',
              '!',
              '^',
              '[:alpha:]',
              '[:punct:]',
              '[:upper:]',
              '[:word:]',
              '[',
              ':',
              '[:foo:]',
              '[.a.]',
              '[=a=]',
              '[:',
              'é-ü',
            ),
            { minLength: 0, maxLength: 4 },
          ),
          pick(']', ']', ']', ']', ''),
        )
        .map(([negation, members, close]) => `[${negation}${members.join('')}${close}`),
    },
  );
}
const socketGlob = fc
  .constantFrom(...SOCKET_NAMES)
  .chain((name) => fc.tuple(...[...name].map(globFor)))
  .map((parts) => parts.join(''));
const socketWord = fc.tuple(socketGlob, pick('', '', '', '', '/', '/x', '/*')).map((parts) => parts.join(''));
const noise = fc.string({ unit: pick(...'do[]!^*?:-a=.k/\\<>'), maxLength: 8 }).filter((text) => text !== '');

const anyWord = fc.oneof(
  { weight: 6, arbitrary: commandName },
  { weight: 6, arbitrary: appName },
  { weight: 5, arbitrary: option },
  { weight: 5, arbitrary: value },
  { weight: 1, arbitrary: backslashed },
  { weight: 1, arbitrary: redirect },
  { weight: 1, arbitrary: control },
  { weight: 1, arbitrary: wild },
  { weight: 3, arbitrary: socketWord },
  { weight: 1, arbitrary: noise },
);
const blank = pick(' ', ' ', ' ', ' ', '  ', '\t', ' \t ', '\u00a0');
const edge = pick('', '', '', '', ' ', '\t ');

const ruleWord = fc.oneof(
  { weight: 3, arbitrary: appName },
  { weight: 3, arbitrary: pick('*', '*', 'K=*', '*=*', '*.*', '*s*', '*:*', 'sh*p') },
  { weight: 2, arbitrary: pick('--*', '--no-restart', '--app', '--app=blog', '--all', '-*', '--*=*', '--num', '-n*') },
  { weight: 2, arbitrary: value },
  { weight: 1, arbitrary: pick('>', '<', '*>', '*>*', '/etc/*') },
);
const brokenRule = pick(
  '',
  ' ',
  '** shop',
  'a**',
  '--app=*',
  'ps:restart sh?p',
  'a\\b',
  'x [a]',
  '*** x',
  'a\nb',
  '--GLOBAL=*',
);
const rule = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(
        fc.oneof(
          { weight: 2, arbitrary: commandName },
          { weight: 2, arbitrary: pick('*', '*:report', 'config:*', 'ps:*', '*:*', '--app', '--quiet', '--*') },
        ),
        fc.array(ruleWord, { maxLength: 3 }),
        pick('', '', '**'),
      )
      .map(([first, others, last]) => [first, ...others, ...(last === '' ? [] : [last])].join(' ')),
  },
  { weight: 1, arbitrary: brokenRule },
  { weight: 1, arbitrary: pick('**', '*', '* **', '*:report shop', 'config:set shop **') },
);

/** A command that the rule is meant for, at least where its wildcards are filled in well. */
function commandFor(text: string) {
  const words = text.split(' ').filter((word) => word !== '');
  return fc
    .tuple(
      ...words.map((word, index) => {
        if (word === '**')
          return fc.array(fc.oneof(value, value, appName, anyWord), { maxLength: 3 }).map((rest) => rest.join(' '));
        if (!word.includes('*')) return fc.constant(word);
        const filling =
          index === 0 ? pick('config:set', 'git', 'set', 'a', '') : fc.oneof(value, appName, pick('', '1', 'x'));
        return fc.tuple(filling, filling).map(([one, two]) => word.replace('*', () => one).replace('*', () => two));
      }),
    )
    .map((parts) => parts.filter((part) => part !== ''));
}

const command = (rules: readonly string[]) =>
  fc
    .oneof(...(rules.length > 0 ? [{ weight: 10, arbitrary: fc.constantFrom(...rules).chain(commandFor) }] : []), {
      weight: 2,
      arbitrary: fc.array(anyWord, { maxLength: 5 }),
    })
    .chain((words) =>
      fc.tuple(
        fc.constant(words),
        fc.option(fc.tuple(fc.nat({ max: words.length }), fc.nat({ max: 1 }), anyWord), { freq: 1 }),
        fc.array(blank, { minLength: words.length + 1, maxLength: words.length + 1 }),
        edge,
        edge,
      ),
    )
    .map(([words, change, blanks, before, after]) => {
      const changed = change === null ? words : words.toSpliced(change[0], change[1], change[2]);
      return before + changed.map((word, index) => (index === 0 ? '' : (blanks[index] ?? ' ')) + word).join('') + after;
    });

/** Of the commands with rules, more than half are made from one of the rules, and half of those then changed in one place. */
export const commandCase: fc.Arbitrary<CommandCase> = fc
  .oneof(
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
    { weight: 6, arbitrary: fc.array(rule, { minLength: 1, maxLength: 3 }) },
  )
  .chain((rules) => fc.record({ command: command(rules), allowRedirects: fc.boolean(), rules: fc.constant(rules) }));
