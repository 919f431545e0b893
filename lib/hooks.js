'use strict';

// hooks.js - calls the app's hooks so that nothing they do gets out of hand:
// late answers, throws and odd results all become one HTTP error.

const { httpError, isHttpError } = require('./errors');

const isThenable = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';

/** The time a request has for all of its authorisation. */
class Deadline {
  /** @param {number} ms */
  constructor(ms) {
    this._at = performance.now() + ms;
  }

  /**
   * @template T
   * @param {PromiseLike<T>} value
   * @returns {Promise<T>} rejects with 503 when time is up first
   */
  async limit(value) {
    let timer;
    const late = new Promise((resolve, reject) => {
      const left = Math.max(0, this._at - performance.now());
      timer = setTimeout(() => reject(httpError('ERR_SSE_HOOK_TIMEOUT', { retryAfter: 5 })), left);
      // The request's own connection keeps the process alive; once it is gone there is nobody to answer.
      timer.unref();
    });
    try {
      return await Promise.race([value, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

const CODE_OF_STATUS = {
  400: 'ERR_SSE_BAD_REQUEST',
  401: 'ERR_SSE_UNAUTHORIZED',
  403: 'ERR_SSE_FORBIDDEN',
  429: 'ERR_SSE_TOO_MANY_CONNECTIONS',
};

/**
 * What a hook's throw becomes: its own status when it names one, else 500. The
 * thrown message stays inside.
 */
function hookError(thrown) {
  if (isHttpError(thrown)) return thrown;
  const status = thrown?.status;
  if (Number.isInteger(status) && status >= 400 && status <= 599) {
    const code = CODE_OF_STATUS[status] ?? 'ERR_SSE_HOOK_REJECTED';
    return httpError(code, { status, cause: thrown });
  }
  return httpError('ERR_SSE_HOOK_FAILED', { cause: thrown });
}

/**
 * Runs a hook that decides about a request.
 * @template T
 * @param {Deadline} deadline
 * @param {() => T | Promise<T>} call
 * @returns {T | Promise<T>} at once where the hook answers so
 */
function decide(deadline, call) {
  try {
    const answer = call();
    if (!isThenable(answer)) return answer;
    return deadline.limit(answer).catch((thrown) => {
      throw hookError(thrown);
    });
  } catch (thrown) {
    throw hookError(thrown);
  }
}

/**
 * Runs a hook that is only told something.
 * @param {() => unknown} call
 * @param {(error: unknown) => void} onError
 */
function tell(call, onError) {
  try {
    const result = call();
    if (isThenable(result)) Promise.resolve(result).catch(onError);
  } catch (error) {
    onError(error);
  }
}

module.exports = { Deadline, isThenable, decide, tell, hookError };
