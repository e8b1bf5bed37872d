/** Keeps a page of the console up to date. Everything can be read and done without it. */
import { startClock } from './clock.js';
import { startLiveList } from './live-list.js';
import { startLivePage } from './live-page.js';

startClock();

const list = document.querySelector('table[data-live-list]');
if (list instanceof HTMLTableElement) startLiveList(list);

if (document.getElementById('watch') !== null) startLivePage();
