// index.d.mts - the types of index.mjs: those of index.js, by name and as the default.

import native from './index.js';

export * from './index.js';
export default native;
