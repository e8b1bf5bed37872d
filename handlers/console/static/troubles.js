/** What keeps commands from running: no event tells of it, so the page is read again now and then. */
import { showTimes } from './clock.js';
import { readPage, showsTheSame } from './page.js';

const lookEveryMs = 10_000;

/** @param {() => boolean} isBeingRead while it is so, nothing below may move */
export function watchTroubles(isBeingRead) {
  async function look() {
    if (!document.hidden && !isBeingRead()) {
      const fresh = (await readPage())?.getElementById('troubles');
      const shown = document.getElementById('troubles');
      if (fresh && shown && !isBeingRead() && !showsTheSame(shown, fresh)) {
        // The element stays, for those who are told of what comes into it.
        shown.replaceChildren(...document.importNode(fresh, true).childNodes);
        showTimes(shown);
      }
    }
    setTimeout(() => void look(), lookEveryMs);
  }
  setTimeout(() => void look(), lookEveryMs);
}
