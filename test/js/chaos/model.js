'use strict';

// model.js - what one server must remember, worked out from the order of its publishes alone: a history of
// the last events for each key, how far back it reaches (its floor), and which histories are dropped for
// room. Time plays no part here; oracle.js allows for events that expire.

class HistoryModel {
  /** @param {{ birth: number, size: number, most: number }} server the id it began with, its two limits */
  constructor({ birth, size, most }) {
    this._birth = birth;
    this._size = size;
    this._most = most;
    /** Key -> { events, floor }; the one that was idle longest comes first. */
    this._rings = new Map();
  }

  push(event) {
    const ring = this._rings.get(event.key) ?? this._make();
    this._rings.delete(event.key);
    this._rings.set(event.key, ring);
    ring.events.push(event);
    while (ring.events.length > this._size) ring.floor = ring.events.shift().id;
  }

  _make() {
    if (this._rings.size >= this._most) {
      const [key, idle] = this._rings.entries().next().value;
      this._rings.delete(key);
      // Keys without a history share one floor: it must not be below what this one has had.
      this._birth = Math.max(this._birth, idle.floor, idle.events.at(-1)?.id ?? 0);
    }
    return { events: [], floor: this._birth };
  }

  /** The newest event that is not remembered for any of these keys is at most this one. */
  floorOf(keys) {
    return Math.max(...[...keys].map((key) => this._rings.get(key)?.floor ?? this._birth));
  }

  /** Remembered events of these keys after `cursor`, in the order of their ids. */
  after(keys, cursor) {
    return [...keys]
      .flatMap((key) => this._rings.get(key)?.events ?? [])
      .filter(({ id }) => id > cursor)
      .sort((a, b) => a.id - b.id);
  }
}

module.exports = { HistoryModel };
