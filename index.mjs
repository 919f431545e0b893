// index.mjs - the same exports for `import`.

import native from './index.js';

export const { createSseServer, createJwksAuthenticator } = native;
export default native;
