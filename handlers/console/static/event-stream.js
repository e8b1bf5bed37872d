/** Events from the server, for as long as the page is looked at: a browser has few connections for all its pages. */
import { patience, readPage, showLive } from './page.js';

/**
 * @param {string} path
 * @param {{ catchUp?: () => Promise<boolean>, onCommand: (data: string) => void }} listener `catchUp` is called whenever
 *   a stream begins, since nobody was told what happened before it; it resolves to whether the server answered
 * @returns {() => void} ends it
 */
export function follow(path, { catchUp = async () => true, onCommand }) {
  /** @type {EventSource | null} */
  let source = null;
  let ended = false;

  function open() {
    if (ended || document.hidden || source !== null) return;
    const opened = new EventSource(path);
    source = opened;
    opened.addEventListener('open', async () => {
      const isCaughtUp = await catchUp();
      if (source !== opened) return;
      if (isCaughtUp) showLive('on');
      else openLater();
    });
    opened.addEventListener('command', (event) => onCommand(event.data));
    opened.addEventListener('error', async () => {
      if (source !== opened) return;
      showLive('waiting');
      if (opened.readyState !== EventSource.CLOSED) return;
      // A stream that was refused does not come back by itself; reading the page tells whether the session has ended.
      await readPage();
      if (source === opened) openLater();
    });
  }

  function openLater() {
    close();
    showLive('waiting');
    setTimeout(open, patience);
  }

  function close() {
    source?.close();
    source = null;
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', open);
  open();

  return () => {
    ended = true;
    close();
  };
}
