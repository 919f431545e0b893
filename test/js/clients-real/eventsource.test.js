'use strict';

// eventsource.test.js - npm's `eventsource`, in the newest major that runs on this Node.

const { describeClient, END, TYPES, OWN_TYPES } = require('./scenarios');

const [major, minor] = process.versions.node.split('.').map(Number);
const NAME = major > 22 || (major === 22 && minor >= 12) ? 'eventsource5' : 'eventsource';
const { version } = require(`../../../node_modules/${NAME}/package.json`);

async function open(url, token) {
  const { EventSource } = await import(NAME);
  const seen = [];
  let status;
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
  });
  for (const type of [...TYPES, ...OWN_TYPES]) {
    source.addEventListener(type, ({ data, lastEventId }) => seen.push({ type, data: JSON.parse(data), lastEventId }));
  }
  source.addEventListener('error', ({ code, message }) => {
    status = code;
    seen.push({ type: END, error: message });
  });
  return {
    look: () => ({ seen: [...seen], isOver: source.readyState === source.CLOSED, status }),
    close: () => source.close(),
  };
}

describeClient({ name: `npm eventsource ${version}`, open });
