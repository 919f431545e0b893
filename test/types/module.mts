// module.mts - the same names for `import` in an ES module.

import { createJwksAuthenticator, createSseServer, type SseServer } from 'native-sse';
import native from 'native-sse';
// @ts-expect-error - no such export
import { createServer } from 'native-sse';

const server: SseServer = createSseServer();
const same: SseServer = native.createSseServer();
void [server, same, createJwksAuthenticator, createServer];
