/** The list of commands: rows change in place, and new ones come on top while nobody is about to press one. */
import { showTimes } from './clock.js';
import { follow } from './event-stream.js';
import { readPage, showsTheSame } from './page.js';
import { watchTroubles } from './troubles.js';

/** @typedef {{ id: number, passes: boolean, html: string }} RowEvent */

/** @param {HTMLTableElement} table */
export function startLiveList(table) {
  const body = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
  const news = /** @type {HTMLButtonElement} */ (document.getElementById('news'));
  const nothing = /** @type {HTMLElement} */ (document.getElementById('nothing'));
  const older = document.getElementById('older');
  const isNewest = table.dataset.newest === 'true';
  const pageSize = Number(table.dataset.pageSize);
  /**
   * Rows that are to come or to go once nobody is reading: null stands for one that goes.
   * @type {Map<number, HTMLTableRowElement | null>}
   */
  const pending = new Map();
  /** @type {RowEvent[] | null} */
  let heldBack = null;

  /** @param {number} id */
  const shownRow = (id) => /** @type {HTMLTableRowElement | null} */ (document.getElementById(`command-${id}`));
  const isBeingRead = () => table.matches(':hover') || table.contains(document.activeElement) || window.scrollY > 120;

  /** @param {RowEvent} event */
  function take({ id, passes, html }) {
    const row = toRow(html);
    const shown = shownRow(id);
    if (shown !== null) {
      put(row, shown);
      if (passes) pending.delete(id);
      else pending.set(id, null);
    } else if (passes && belongsHere(id)) pending.set(id, row);
    else pending.delete(id);
  }

  /** @param {number} id */
  function belongsHere(id) {
    const last = body.rows[body.rows.length - 1];
    return isNewest && (body.rows.length < pageSize || last === undefined || id > Number(last.dataset.id));
  }

  function settle() {
    if (isBeingRead()) {
      const count = [...pending.values()].filter((row) => row !== null).length;
      news.hidden = count === 0;
      news.textContent = count === 1 ? 'Show 1 new command' : `Show ${count} new commands`;
    } else applyPending();
  }

  function applyPending() {
    news.hidden = true;
    for (const [id, row] of pending) {
      if (row === null) shownRow(id)?.remove();
      else insert(row);
    }
    pending.clear();
    if (isNewest && body.rows.length > pageSize) trim();
    nothing.hidden = body.rows.length > 0;
  }

  /** @param {HTMLTableRowElement} row */
  function insert(row) {
    const id = Number(row.dataset.id);
    const next = [...body.rows].find((shown) => Number(shown.dataset.id) <= id);
    if (next !== undefined && Number(next.dataset.id) === id) put(row, next);
    else body.insertBefore(row, next ?? null);
    showTimes(row);
  }

  function trim() {
    while (body.rows.length > pageSize) body.rows[body.rows.length - 1]?.remove();
    const last = body.rows[body.rows.length - 1];
    if (!(older instanceof HTMLAnchorElement) || last === undefined) return;
    const path = new URL(older.href);
    path.searchParams.set('before', String(last.dataset.id));
    older.href = path.href;
    older.hidden = false;
  }

  /** What happened while no stream was open. Events that come meanwhile are newer than the page that is read. */
  async function catchUp() {
    heldBack = [];
    const page = await readPage();
    const fresh = [...(page?.querySelectorAll('#rows > tr') ?? [])].map((row) => document.importNode(row, true));
    const ids = new Set(fresh.map((row) => row.id));
    for (const row of fresh) {
      if (!(row instanceof HTMLTableRowElement)) continue;
      const shown = shownRow(Number(row.dataset.id));
      if (shown === null) pending.set(Number(row.dataset.id), row);
      else if (!showsTheSame(shown, row)) put(row, shown);
    }
    if (page !== null) {
      for (const row of body.rows) if (!ids.has(row.id)) pending.set(Number(row.dataset.id), null);
    }
    for (const event of heldBack) take(event);
    heldBack = null;
    settle();
    return page !== null;
  }

  follow(String(table.dataset.liveList), {
    catchUp,
    onCommand: (data) => {
      const event = /** @type {RowEvent} */ (JSON.parse(data));
      if (heldBack !== null) return void heldBack.push(event);
      take(event);
      settle();
    },
  });
  watchTroubles(isBeingRead);
  for (const kind of ['pointerleave', 'focusout']) table.addEventListener(kind, () => requestAnimationFrame(settle));
  document.addEventListener('scroll', () => settle(), { passive: true });
  news.addEventListener('click', () => {
    applyPending();
    window.scrollTo({ top: 0 });
  });
}

/** @param {string} html one row, as the server rendered it */
function toRow(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  const row = /** @type {HTMLTableRowElement} */ (template.content.firstElementChild);
  return document.importNode(row, true);
}

/**
 * Puts a row in the place of another; whoever had that one in focus has this one.
 * @param {HTMLTableRowElement} row
 * @param {HTMLTableRowElement} shown
 */
function put(row, shown) {
  const hadFocus = shown.contains(document.activeElement);
  shown.replaceWith(row);
  showTimes(row);
  const link = row.querySelector('a');
  if (hadFocus && link !== null) link.focus({ preventScroll: true });
}
