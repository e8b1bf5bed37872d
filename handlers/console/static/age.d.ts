/** Spans of time in milliseconds, as text. */
export function formatAge(milliseconds: number): string;
export function formatElapsed(milliseconds: number): string;
export function formatDuration(milliseconds: number): string;
