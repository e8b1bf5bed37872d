import { DokkuFailure, type DokkuOutput } from './dokku-output.ts';
import type { HostState } from './host-state.ts';

/** One dokku command as its plugin gets it. */
export interface Invocation {
  command: string;
  args: string[];
  host: HostState;
  out: DokkuOutput;
  now: Date;
}

/** Throws `DokkuFailure` to fail. */
export type CommandHandler = (invocation: Invocation) => void;

export interface ParsedArguments {
  positional: string[];
  flags: Set<string>;
  values: Map<string, string>;
}

/**
 * Parts arguments into words, flags and flags with a value (`--num 5`, `--num=5`). `spec` gives each flag's name by
 * each of its spellings. Throws dokku's failure on a flag that it does not know.
 */
export function parseArguments(args: string[], spec: { flags?: string[]; values?: string[] }): ParsedArguments {
  const parsed: ParsedArguments = { positional: [], flags: new Set(), values: new Map() };
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    const [name = '', ...assigned] = argument.split('=');
    if (!argument.startsWith('-') || argument === '-') {
      parsed.positional.push(argument);
    } else if (spec.flags?.includes(argument)) {
      parsed.flags.add(argument);
    } else if (spec.values?.includes(name)) {
      if (assigned.length === 0) index += 1;
      const value = assigned.length > 0 ? assigned.join('=') : args[index];
      if (value === undefined) throw new DokkuFailure(`flag needs an argument: ${name}`, 2);
      parsed.values.set(name, value);
    } else {
      throw new DokkuFailure(`unknown flag: ${name}`, 2);
    }
  }
  return parsed;
}

/** Whether `--format json` was asked for. Throws on any other form but `stdout`. */
export function wantsJson(parsed: ParsedArguments): boolean {
  const format = parsed.values.get('--format') ?? 'stdout';
  if (format !== 'json' && format !== 'stdout') throw new DokkuFailure(`Invalid format specified: ${format}`);
  return format === 'json';
}
