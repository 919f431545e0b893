// bench/tokens.js: an issuer on loopback, and as many different tokens of it as
// are asked for. The parts are the tests'.
'use strict';

const { makeKey, serveKeys, sign } = require('../test/js/helpers/idp');

const ISSUER = 'https://id.example';
const AUDIENCE = 'https://api.example';
const LIFETIME_SECONDS = 3600;

async function makeIssuer() {
  const keys = { RS256: makeKey('RS256', 'rsa'), ES256: makeKey('ES256', 'ec') };
  const jwks = Object.values(keys).map(({ alg, jwk }) => ({ ...jwk, use: 'sig', alg }));
  const server = await serveKeys(jwks);
  let last = 0;
  return {
    url: server.url,
    jwks,
    // What an access token of an identity provider looks like; no two are alike.
    tokens(alg, count) {
      const iat = Math.floor(Date.now() / 1000);
      return Array.from({ length: count }, () => sign({
        iss: ISSUER, aud: AUDIENCE, sub: `user-${last}`, iat, exp: iat + LIFETIME_SECONDS,
        jti: `token-${last++}`, client_id: 'bench', scope: 'openid profile events:read', roles: ['user', 'reader'],
      }, keys[alg], { typ: 'JWT' }));
    },
    close: () => server.close(),
  };
}

module.exports = { ISSUER, AUDIENCE, makeIssuer };
