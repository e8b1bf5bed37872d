/** The page as the server has it now, and whether what is shown differs from it. */

/** Between two tries when the server does not answer, in milliseconds. */
export const patience = 4000;

/**
 * Reads the page that is shown once more. Where the session has ended, the browser is sent to the sign-in form.
 * @returns {Promise<Document | null>} null where the server does not answer with it
 */
export async function readPage() {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(location.href, { headers: { Accept: 'text/html' } });
  } catch (error) {
    // What fetch throws where no answer is to be had.
    if (error instanceof TypeError) return null;
    throw error;
  }
  if (response.status === 401) location.reload();
  if (!response.ok) return null;
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}

/**
 * Whether two elements show the same, but for times that go on and ids made anew with each page.
 * @param {Element} shown
 * @param {Element} other
 */
export function showsTheSame(shown, other) {
  return withoutWhatGoesOn(shown) === withoutWhatGoesOn(other);
}

/** @param {Element} element */
function withoutWhatGoesOn(element) {
  const copy = /** @type {Element} */ (element.cloneNode(true));
  for (const time of copy.querySelectorAll('time[data-at]')) time.textContent = '';
  for (const input of copy.querySelectorAll('input[name="form_id"]')) input.removeAttribute('value');
  return copy.outerHTML;
}

/**
 * Says how up to date the page is.
 * @param {'on' | 'waiting'} state
 */
export function showLive(state) {
  const live = document.getElementById('live');
  const text = document.getElementById('live-text');
  if (live === null || text === null) return;
  live.dataset.state = state;
  text.textContent = state === 'on' ? 'Live' : 'Reconnecting…';
}
