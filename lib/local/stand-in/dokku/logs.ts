import { DokkuFailure } from './dokku-output.ts';
import { type CommandHandler, parseArguments } from './invocation.ts';

const DEFAULT_LINES = 100;
/** One colour a container, over and over. */
const COLORS = [36, 33, 32, 35, 31];

const logs: CommandHandler = ({ args, host, out }) => {
  const parsed = parseArguments(args, {
    flags: ['-t', '--tail', '--follow', '-q', '--quiet'],
    values: ['-n', '--num', '-p', '--ps'],
  });
  const app = host.app(parsed.positional[0]);
  if (!app.deployed) throw new DokkuFailure(`App ${app.name} has not been deployed`);
  const count = parsed.values.get('--num') ?? parsed.values.get('-n') ?? String(DEFAULT_LINES);
  if (!/^\d{1,6}$/.test(count)) throw new DokkuFailure(`invalid argument "${count}" for "-n, --num" flag`, 2);
  const only = parsed.values.get('--ps') ?? parsed.values.get('-p');
  const shown = app.logs.filter(
    ({ process }) => only === undefined || process === only || process.startsWith(`${only}.`),
  );
  const seen: string[] = [];
  for (const { at, process, text } of Number(count) === 0 ? [] : shown.slice(-Number(count))) {
    if (!seen.includes(process)) seen.push(process);
    const color = COLORS[seen.indexOf(process) % COLORS.length];
    const prefix = `${at} app[${process}]:`;
    out.line(
      out.quiet || parsed.flags.has('-q') || parsed.flags.has('--quiet')
        ? text
        : `\u001b[${color}m${prefix}\u001b[0m ${text}`,
    );
  }
  out.follows = ['-t', '--tail', '--follow'].some((flag) => parsed.flags.has(flag));
};

const events: CommandHandler = ({ args, host, out }) => {
  const parsed = parseArguments(args, { flags: ['-t', '--tail', '--follow'] });
  for (const line of host.events) out.line(line);
  out.follows = parsed.flags.size > 0;
};

export const LOGS_COMMANDS: [string, CommandHandler][] = [
  ['logs', logs],
  ['events', events],
];
