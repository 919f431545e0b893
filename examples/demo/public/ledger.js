'use strict';

// ledger.js - the page's bookkeeping: which event ids came, which of them twice
// or in the wrong order, and which were published for us and have not come.

(() => {
  class Ledger {
    constructor() {
      /** Ids in the order in which they came, duplicates left out. */
      this.ids = [];
      this.duplicates = 0;
      this.disorder = 0;
      this.replayed = 0;
      this.seen = new Set();
      this.waiting = new Set();
    }

    /**
     * Notes that an event was published that this connection should get.
     * @param {number} id
     */
    expect(id) {
      if (!this.seen.has(id)) this.waiting.add(id);
    }

    /**
     * Notes that an event came.
     * @param {number} id
     * @returns {boolean} false if it had come before
     */
    receive(id) {
      if (this.seen.has(id)) {
        this.duplicates++;
        return false;
      }
      // Ids only ever go up, across all channels.
      if (id < this.ids[this.ids.length - 1]) this.disorder++;
      this.seen.add(id);
      this.ids.push(id);
      this.waiting.delete(id);
      return true;
    }

    /** @returns {number} how many expected events have not come */
    get missing() {
      return this.waiting.size;
    }
  }

  window.Ledger = Ledger;
})();
