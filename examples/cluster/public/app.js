'use strict';

// app.js - shows what came, through which worker, and whether a tick of any worker is missing.

const log = document.getElementById('log');
const source = new EventSource('/sse?channel=ticks');
/** The last count of each worker that publishes. */
const counts = new Map();

function show(text, className = '') {
  const line = document.createElement('li');
  line.textContent = text;
  line.className = className;
  log.prepend(line);
  while (log.children.length > 60) log.lastChild.remove();
}

source.addEventListener('connected', (event) => {
  const { recovered } = JSON.parse(event.data);
  if (!recovered) counts.clear();
  show(recovered ? 'connected: nothing is missing' : 'connected: something may be missing', `connected ${recovered ? '' : 'lost'}`);
});
source.addEventListener('served-by', (event) => show(`now through worker ${event.data}`));
source.addEventListener('gap', () => {
  counts.clear();
  show('something may be missing', 'lost');
});
source.addEventListener('tick', (event) => {
  const { worker, count } = JSON.parse(event.data);
  const last = counts.get(worker);
  const isNext = last === undefined || count === last + 1;
  counts.set(worker, count);
  show(`tick ${count} of worker ${worker}, id ${event.lastEventId}${isNext ? '' : `: expected ${last + 1}`}`, isNext ? '' : 'lost');
});

document.getElementById('end').addEventListener('click', () => fetch('/end-worker', { method: 'POST' }));
