'use strict';

// conformance.js - single steps of the verification, for running third-party test vectors against
// the code that servers use. Internal: not among the package's exports.

const { jose } = require('./binding');

/**
 * Header, key and signature of a compact JWS; its payload may be empty, and no claim is looked at.
 * @param {string} token
 * @param {string} jwksText a key set as JSON text
 * @returns {string} 'OK' or the name of the reason
 */
function verifyJws(token, jwksText) {
  return jose.verifyJws(token, jwksText);
}

/**
 * A raw signature: PKCS #1 v1.5 for RS256, r and s side by side for ES256.
 * @param {string} alg
 * @param {string} jwk a single key as JSON text
 * @param {Buffer} message
 * @param {Buffer} signature
 * @returns {string} 'OK' or the name of the reason
 */
function verifySignature(alg, jwk, message, signature) {
  return jose.verifySignature(alg, jwk, message, signature);
}

/**
 * The strict scan of one JSON text, whatever its root.
 * @param {Buffer} buffer
 * @returns {string} 'OK' or the name of the reason
 */
function scanJson(buffer) {
  return jose.scanJson(buffer);
}

module.exports = { verifyJws, verifySignature, scanJson };
