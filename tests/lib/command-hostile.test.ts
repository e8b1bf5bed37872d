import { describe, expect, test } from 'vitest';
import { COMMAND_MAX_BYTES, checkCommandLine } from '../../lib/command-line.ts';
import { matchRules } from '../../lib/command-rules.ts';

const MILLISECONDS_ALLOWED = 50;

function filled(unit: string): string {
  return unit.repeat(COMMAND_MAX_BYTES / unit.length).trim();
}

/** Milliseconds of processor time, which other processes do not add to; the first rounds also compile. */
function fastest(work: () => void): number {
  const times = Array.from({ length: 8 }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

describe('a hostile command takes little time', () => {
  const socketNames = ['k'.repeat(40), ...Array.from({ length: 20 }, (_, index) => `server-${index}.sock`)];
  const units = ['*a', '*?', '*d*o*k*k', '[', '[a', '[]', '[[:alpha:]', '[[:alpha:]]*', '[a-'];
  const words = ['*x ', '*kx* ', '[b]* ', '\\x ', '-x '];
  const accepted = [...units, ...words].map((unit): [string, string] => [`${unit} over and over`, filled(unit)]);

  test.each([
    ...accepted,
    ['one large bracket', `*[${'b'.repeat(32_000)}]*`],
    ['blanks at both ends', `${' '.repeat(500_000)}x${' \t'.repeat(500_000)}`],
  ])('%s', (_, text) => {
    const command = text.replace(/^ +/, '').replace(/x[ \t]+$/, 'x');
    const check = () => expect(checkCommandLine(text, { allowRedirects: false, socketNames })).toEqual({ command });
    expect(fastest(check)).toBeLessThan(MILLISECONDS_ALLOWED);
  });

  test.each([
    ['* over and over', filled('*'), 'glob_refused'],
    ['blanks within', `x${' \t'.repeat(500_000)}x`, 'too_long'],
  ])('%s', (_, text, code) => {
    const check = () => expect(checkCommandLine(text, { allowRedirects: false, socketNames })).toMatchObject({ code });
    expect(fastest(check)).toBeLessThan(MILLISECONDS_ALLOWED);
  });
});

describe('hostile rules take little time', () => {
  const rules: Record<string, string[]> = {
    'one long part': [`*${'a'.repeat(900)}b${'a'.repeat(100)}*`],
    'many parts': [`${'*a'.repeat(500)}*bb*`],
    'many words': Array.from({ length: 100 }, () => '* '.repeat(400)),
    'many rests': Array.from({ length: 100 }, (_, index) => `x${index} **`),
  };
  const commands = ['a', 'a ', 'aaaab', '\\a ', '-x ', '[a', '*x '].map(filled);

  test.each(Object.entries(rules))('%s', (_, texts) => {
    for (const command of commands) {
      const match = () => expect(matchRules(texts, command)).toEqual({ allowed: false });
      expect(fastest(match)).toBeLessThan(MILLISECONDS_ALLOWED);
    }
  });
});
