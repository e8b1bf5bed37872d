/** What one check found. Whatever is wrong comes with the one thing to do about it. */
export type Finding = { check: string; says: string } & (
  | { status: 'ok' | 'skipped' }
  | { status: 'warning' | 'failed'; remedy: string }
);

/** The findings of a check, and what later checks build on: null where there is nothing to build on. */
export type Checked<Value> = { findings: Finding[]; value: Value | null };

export function ok(check: string, says: string): Finding {
  return { check, status: 'ok', says };
}

/** Commands run, but not as well as they could. */
export function warning(check: string, says: string, remedy: string): Finding {
  return { check, status: 'warning', says, remedy };
}

/** Commands do not run. */
export function failed(check: string, says: string, remedy: string): Finding {
  return { check, status: 'failed', says, remedy };
}

/** @param why the earlier check that it builds on */
export function skipped(check: string, why: string): Finding {
  return { check, status: 'skipped', says: why };
}
