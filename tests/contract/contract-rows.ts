import { readFileSync } from 'node:fs';

/** A row of a table of the contract. */
export interface ContractRow {
  /** The heading above the table. */
  table: string;
  /** The first cell, without marks of emphasis. */
  name: string;
  /** The second cell. */
  rule: string;
}

/** Reads the tables of `contract.md`. */
export function readContractRows(): ContractRow[] {
  let table = '';
  const rows: ContractRow[] = [];
  for (const line of readFileSync(new URL('contract.md', import.meta.url), 'utf8').split('\n')) {
    if (line.startsWith('## ')) table = line.slice(3);
    else if (line.startsWith('| ')) {
      // In a table, a | that is no border is escaped.
      const [, name = '', rule = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      rows.push({ table, name: name.replace(/ \(\*\*\w+\*\*\)$/, ''), rule });
    } else if (line !== '') throw new Error(`contract.md holds more than tables: ${line}`);
  }
  return rows.filter(({ name }, index) => name !== '---' && rows[index + 1]?.name !== '---');
}

/** What stands between backquotes in a text. */
export function quoted(markdown: string): string[] {
  return [...markdown.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}
