// commonjs.cts - the same names for `require`.

import native = require('native-sse');

const server: native.SseServer<{ tick: number }> = native.createSseServer<{ tick: number }>();
server.publish('clock', { type: 'tick', data: 1 });
// @ts-expect-error - no such export
native.createServer();
