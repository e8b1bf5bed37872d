const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;

/**
 * Reads `90d`, `24h`, `30m`, `45s`, `2w` or `0`.
 * @returns milliseconds, or null where it is written otherwise
 */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  return amount === undefined ? null : Number(amount) * unitMs[unit as keyof typeof unitMs];
}
