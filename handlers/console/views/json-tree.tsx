/** JSON as a tree whose branches fold, without a script. */
import type { Child } from 'hono/jsx';

/** So many values are shown; the rest of a larger document is in the raw text. */
const valuesAtMost = 1500;
/** Branches of so many values begin folded, but for the outermost. */
const foldedFrom = 12;

/** Counts the values shown so far over the whole tree. */
type Budget = { left: number };

export function JsonTree({ value }: { value: unknown }) {
  const budget = { left: valuesAtMost };
  return (
    <section class="json" aria-label="Output as JSON" tabindex={0}>
      {branch(value, null, 0, budget)}
      {budget.left <= 0 && <p class="hint">Only the first {valuesAtMost} values are shown.</p>}
    </section>
  );
}

/** Hono renders children before their parent's siblings only in this order when they are called as functions. */
function branch(value: unknown, name: string | null, depth: number, budget: Budget): Child {
  budget.left -= 1;
  const label = name === null ? null : <span class="json-name">{name}: </span>;
  if (value === null || typeof value !== 'object') {
    return (
      <div class="json-line">
        {label}
        <Scalar value={value} />
      </div>
    );
  }
  const isArray = Array.isArray(value);
  const entries = Object.entries(value);
  const [start, end] = isArray ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) {
    return (
      <div class="json-line">
        {label}
        <span class="json-mark">{`${start}${end}`}</span>
      </div>
    );
  }
  const children: Child[] = [];
  for (const [key, child] of entries) {
    if (budget.left <= 0) break;
    children.push(branch(child, isArray ? null : key, depth + 1, budget));
  }
  return (
    <details open={depth === 0 || entries.length < foldedFrom}>
      <summary>
        {label}
        <span class="json-mark">{start}</span>
        <span class="json-count">{count(entries.length, isArray)}</span>
        <span class="json-mark">{end}</span>
      </summary>
      <div class="json-inside">{children}</div>
    </details>
  );
}

function Scalar({ value }: { value: unknown }) {
  const kind = value === null ? 'null' : typeof value;
  return <span class={`json-${kind}`}>{JSON.stringify(value)}</span>;
}

function count(entries: number, isArray: boolean): string {
  const [one, many] = isArray ? ['item', 'items'] : ['field', 'fields'];
  return `${entries} ${entries === 1 ? one : many}`;
}
