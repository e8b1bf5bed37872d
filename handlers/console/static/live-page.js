/** A page whose parts are read again when an event says so, or every few seconds where no event tells of a change. */
import { showTimes } from './clock.js';
import { follow } from './event-stream.js';
import { patience, readPage, showLive, showsTheSame } from './page.js';

export function startLivePage() {
  /** @type {(() => void) | null} */
  let leave = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let reading = false;
  let again = false;

  /** What the page says about how it is to be watched: it changes with the rest of it. */
  function watch() {
    const { liveEvents, liveEvery } = document.getElementById('watch')?.dataset ?? {};
    if (liveEvents === undefined) {
      leave?.();
      leave = null;
    } else leave ??= follow(liveEvents, { onCommand: () => void refresh() });
    clearTimeout(timer);
    if (liveEvery !== undefined) timer = setTimeout(() => void refresh(), Number(liveEvery));
  }

  /** One reading at a time; what is asked for meanwhile is one more after it. */
  async function refresh() {
    again = true;
    if (reading) return;
    reading = true;
    while (again) {
      again = false;
      const page = document.hidden ? null : await readPage();
      if (page !== null) {
        showRegions(page);
        showLive('on');
      } else if (!document.hidden) {
        showLive('waiting');
        setTimeout(() => void refresh(), patience);
      }
    }
    reading = false;
    watch();
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void refresh();
  });
  watch();
  if (document.getElementById('watch')?.dataset.liveEvents === undefined) showLive('on');
}

/** @param {Document} page */
function showRegions(page) {
  const focused = document.activeElement?.id;
  for (const region of document.querySelectorAll('[data-live-region]')) {
    const fresh = page.getElementById(region.id);
    if (fresh === null || showsTheSame(region, fresh)) continue;
    announce(region, fresh);
    const copy = document.importNode(fresh, true);
    region.replaceWith(copy);
    showTimes(copy);
  }
  if (focused && document.activeElement?.id !== focused)
    document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * Tells those who do not see it that a state changed.
 * @param {Element} before
 * @param {Element} after
 */
function announce(before, after) {
  const told = after.querySelector('[data-announce]');
  const text = told?.textContent ?? '';
  const announcer = document.getElementById('announcer');
  if (!(told instanceof HTMLElement) || announcer === null) return;
  if (text !== before.querySelector('[data-announce]')?.textContent) {
    announcer.textContent = `${told.dataset.announce}: ${text}`;
  }
}
