'use strict';

// app.js - one pane for each person, with a stream of its own, and the buttons.

/** @param {string} tag @param {object} [properties] @param {Node[]} children */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function addPerson({ id, tenantId, roles }) {
  await fetch(`/as/${id}/login`, { method: 'POST' });
  const topics = element('p', { className: 'topics', textContent: 'connecting' });
  const events = element('ol');
  const heading = element('h2', {}, `${id} `, element('small', { textContent: [tenantId, ...roles].join(', ') }));
  document.querySelector('#people').append(element('section', { id }, heading, topics, events));

  const source = new EventSource(`/as/${id}/tools/stream`, { withCredentials: true });
  source.addEventListener('connected', (event) => {
    topics.textContent = JSON.parse(event.data).topics.map((topic) => topic.replace(/^(session:.{4}).*/, '$1…')).join(' ');
  });
  source.onmessage = (event) => {
    const { type, data } = JSON.parse(event.data);
    events.prepend(element('li', { textContent: `${type}: ${data.text}` }));
  };
}

async function main() {
  const [people, actions] = await Promise.all(['/people', '/actions'].map(async (url) => (await fetch(url)).json()));
  await Promise.all(people.map(addPerson));
  for (const action of actions) {
    const button = element('button', { type: 'button', textContent: action });
    button.addEventListener('click', () => fetch(`/do/${encodeURIComponent(action)}`, { method: 'POST' }));
    document.querySelector('#actions').append(button);
  }
}

main();
