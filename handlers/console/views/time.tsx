import { formatAge, formatDuration, formatElapsed } from '../static/age.js';

/** How long ago it was; the browser's script keeps it up to date. */
export function Age({ at, now }: { at: Date; now: number }) {
  return (
    <time datetime={at.toISOString()} title={utc(at)} data-at={at.getTime()} data-form="age">
      {formatAge(now - at.getTime())}
    </time>
  );
}

/** How long it lasts so far. */
export function Elapsed({ at, now }: { at: Date; now: number }) {
  return (
    <time datetime={at.toISOString()} title={`since ${utc(at)}`} data-at={at.getTime()} data-form="elapsed">
      {formatElapsed(now - at.getTime())}
    </time>
  );
}

export function Duration({ milliseconds }: { milliseconds: number }) {
  return <span>{formatDuration(milliseconds)}</span>;
}

/** A point in time, to the second. */
export function Moment({ at }: { at: Date }) {
  return <time datetime={at.toISOString()}>{utc(at)}</time>;
}

/** The day of a point in time. */
export function Day({ at }: { at: Date }) {
  return (
    <time datetime={at.toISOString()} title={utc(at)}>
      {at.toISOString().slice(0, 10)}
    </time>
  );
}

function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
