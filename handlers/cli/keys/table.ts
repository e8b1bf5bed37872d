import type { KeyRecord } from '../../../db/keys.ts';

const heads = [
  'API KEY',
  'PUBLIC ID',
  'NAME',
  'ROLE',
  'OWNER',
  'RULES',
  'SERVERS',
  'RATE',
  'EXPIRES',
  'LAST USED',
  'STATE',
];

/** Lines for a terminal: a head, a line per key, and its rules below it where they are asked for. */
export function keyTable(records: readonly KeyRecord[], options: { rules: boolean }): string[] {
  const rows = records.map(cells);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => width(row[column]))));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd();
  return [
    line(heads),
    ...records.flatMap((record, index) => [
      line(rows[index] ?? []),
      ...(options.rules ? (record.rules ?? []).map((rule) => `    ${rule}`) : []),
    ]),
  ];
}

function cells(record: KeyRecord): string[] {
  return [
    record.apiKey,
    record.publicId,
    record.name ?? '-',
    record.role,
    record.owner,
    `${record.rules?.length ?? 'all'}${record.allowRedirects ? ' + redirects' : ''}`,
    record.servers?.join(',') ?? 'all',
    record.rateLimit === null ? 'default' : `${record.rateLimit}/min`,
    record.expiresAt === null ? 'never' : minute(record.expiresAt),
    record.lastUsedAt === null ? 'never' : minute(record.lastUsedAt),
    state(record),
  ];
}

function state({ deletedAt, expired }: KeyRecord): string {
  if (deletedAt !== null) return `deleted ${minute(deletedAt)}`;
  return expired ? 'expired' : 'active';
}

/** UTC, to the minute. */
function minute(time: Date): string {
  return `${time.toISOString().slice(0, 16)}Z`;
}

/** In characters, as far as a terminal shows each as one. */
function width(cell = ''): number {
  return [...cell].length;
}
