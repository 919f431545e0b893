'use strict';

// p256.js - as much of P-256 as it takes to make a key for a signature, instead of
// a signature with a key.

const crypto = require('node:crypto');
const { base64url } = require('./idp');

const P256 = {
  p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  g: [
    0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  ],
};

/** @param {Buffer} bytes big-endian */
const numberOf = (bytes) => BigInt(`0x${bytes.toString('hex') || '0'}`);

/** @param {bigint} number as `size` bytes, big-endian */
const bytesOf = (number, size) => Buffer.from(number.toString(16).padStart(2 * size, '0'), 'hex');

const modulo = (a, m) => ((a % m) + m) % m;

function power(base, exponent, m) {
  let result = 1n;
  for (let b = modulo(base, m), e = exponent; e > 0n; e >>= 1n, b = (b * b) % m) {
    if (e & 1n) result = (result * b) % m;
  }
  return result;
}

const inverse = (a, m) => power(a, m - 2n, m);

/** Adds two points, neither of them at infinity nor the inverse of the other. */
function add([x1, y1], [x2, y2]) {
  const { p } = P256;
  const slope = x1 === x2 ? (3n * x1 * x1 - 3n) * inverse(2n * y1, p) : (y2 - y1) * inverse(x2 - x1, p);
  const x3 = modulo(slope * slope - x1 - x2, p);
  return [x3, modulo(slope * (x1 - x3) - y1, p)];
}

function multiply(point, factor) {
  let sum = null;
  for (let addend = point, k = factor; k > 0n; k >>= 1n, addend = add(addend, addend)) {
    if (k & 1n) sum = sum ? add(sum, addend) : addend;
  }
  return sum;
}

/**
 * A key for which (r, s) signs `message`, where r is so small that r + n has 32 bytes
 * too: 5 is the x of a point R, and the key is (s R - h G) / r.
 * @param {Buffer} message
 * @returns {{ jwk: object, r: bigint, s: bigint }}
 */
function keyOfSmallR(message) {
  const { p, n, b, g } = P256;
  const s = 12345n;
  const r = 5n;
  const square = modulo(r ** 3n - 3n * r + b, p);
  const y = power(square, (p + 1n) / 4n, p);
  if ((y * y) % p !== square) throw new Error('5 is the x of no point');
  const h = numberOf(crypto.createHash('sha256').update(message).digest());
  const [x0, y0] = add(multiply([r, y], s), multiply(g, modulo(-h, n)));
  const key = multiply([x0, y0], inverse(r, n));
  const [x, yOfKey] = key.map((value) => base64url(bytesOf(value, 32)));
  return { jwk: { kty: 'EC', crv: 'P-256', x, y: yOfKey }, r, s };
}

module.exports = { P256, numberOf, bytesOf, keyOfSmallR };
