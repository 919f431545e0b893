// index.mjs - the same exports for `import`.

import native from './index.js';

export const {
  createSseServer,
  createJwksAuthenticator,
  SseManager,
  AuthTools,
  AuthEventBus,
  createToolsRouter,
  topics,
  redisBackplane,
  clusterBackplane,
} = native;
export default native;
