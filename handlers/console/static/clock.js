/** Ages and elapsed times, counted on by the server's clock: the one of this machine may be wrong. */
import { formatAge, formatElapsed } from './age.js';

let ahead = 0;

export function startClock() {
  const meta = document.querySelector('meta[name="server-time"]');
  if (meta instanceof HTMLMetaElement) ahead = Number(meta.content) - Date.now();
  setInterval(() => showTimes(document), 1000);
}

/**
 * Brings all times within up to date.
 * @param {ParentNode} root
 */
export function showTimes(root) {
  const now = Date.now() + ahead;
  for (const time of root.querySelectorAll('time[data-at]')) {
    if (!(time instanceof HTMLElement)) continue;
    const since = now - Number(time.dataset.at);
    const text = time.dataset.form === 'age' ? formatAge(since) : formatElapsed(since);
    if (time.textContent !== text) time.textContent = text;
  }
}
