// bench/verify.js: what it costs to verify one token, side by side with two
// libraries and with the bare signature check. See bench/README.md.
// The last part of bench/run.js; alone: node bench/verify.js [--quick] [--runs 5]
'use strict';

const crypto = require('node:crypto');
const { fork } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');

const { ratios, spread, write } = require('./figures');
const machine = require('./machine');
const { align, rounds } = require('./table');
const { AUDIENCE, ISSUER, makeIssuer } = require('./tokens');
const { openWindow } = require('./window');

const ALGORITHMS = ['RS256', 'ES256'];
const OURS = 'native';
const IN_FLIGHT = 32;
const CLOCK_SKEW_SECONDS = 60;
const MEASURED = { tokens: 2000, warmRounds: 2, runs: 5 };
const QUICK = { tokens: 500, warmRounds: 1, runs: 2 };

// ---- the verifiers -------------------------------------------------------------
// Each makes, for one algorithm, a function from a token to its claims, or to a
// promise of them. All check issuer, audience, type, algorithm and times.

const VERIFIERS = {
  // The whole default path: key set over HTTP, parsing, claims, signature.
  async native({ url }) {
    const { createJwksAuthenticator } = require('..');
    const authenticate = createJwksAuthenticator({ url, issuer: ISSUER, audience: AUDIENCE });
    await authenticate.ready();
    return () => authenticate;
  },

  async jose({ url }) {
    const { createRemoteJWKSet, jwtVerify } = await import('jose');
    const keys = createRemoteJWKSet(new URL(url));
    await keys.reload();
    const options = {
      issuer: ISSUER, audience: AUDIENCE, typ: 'JWT', algorithms: ALGORITHMS,
      clockTolerance: CLOCK_SKEW_SECONDS, requiredClaims: ['sub', 'exp'],
    };
    return () => async (token) => (await jwtVerify(token, keys, options)).payload;
  },

  // Its fastest form: one key that is known beforehand, and so no promise.
  'fast-jwt': ({ jwks }) => {
    const { createVerifier } = require('fast-jwt');
    return (alg) => createVerifier({
      key: publicKey(jwks, alg).export({ type: 'spki', format: 'pem' }),
      allowedIss: ISSUER, allowedAud: AUDIENCE, checkTyp: 'JWT', algorithms: [alg],
      clockTolerance: CLOCK_SKEW_SECONDS * 1000, requiredClaims: ['sub', 'exp'], cache: false,
    });
  },

  // The least: one call for a signature that is decoded already. No claims, no keys.
  'crypto.verify': ({ jwks }) => (alg) => {
    const key = { key: publicKey(jwks, alg), dsaEncoding: 'ieee-p1363' };
    return ({ input, signature, claims }) => {
      if (!crypto.verify('sha256', input, key, signature)) throw new Error('the signature is wrong');
      return claims;
    };
  },
};

function publicKey(jwks, wanted) {
  return crypto.createPublicKey({ key: jwks.find(({ alg }) => alg === wanted), format: 'jwk' });
}

/** A token taken apart, before anything is measured. */
function decode(token) {
  const [header, payload, signature] = token.split('.');
  return {
    input: Buffer.from(`${header}.${payload}`),
    signature: Buffer.from(signature, 'base64url'),
    claims: claimsOf(token),
  };
}

function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}

// ---- the child process around one verifier ---------------------------------------

/** All of them, as a server would see it: several at once, the next when one is done. */
async function verifyAll(verify, inputs) {
  const claims = new Array(inputs.length);
  let next = 0;
  async function lane() {
    while (next < inputs.length) {
      const i = next++;
      claims[i] = await verify(inputs[i]);
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return claims;
}

async function isRefused(verify, input) {
  try {
    await verify(input);
    return false;
  } catch {
    return true;
  }
}

/** The kernel counts the CPU time of a thread to the end when that goes to sleep. */
const settle = () => sleep(5);

async function measure(verify, inputs) {
  await settle();
  const close = openWindow();
  const start = performance.now();
  const claims = await verifyAll(verify, inputs);
  const seconds = (performance.now() - start) / 1e3;
  await settle();
  const window = close();
  const each = (value) => value / inputs.length;
  return {
    claims,
    figures: {
      mainCpuUs: each(window.mainCpuUs),
      activeUs: each(window.activeUs),
      processCpuUs: each(window.processCpuUs),
      perSecond: inputs.length / seconds,
    },
  };
}

async function serveParent(name) {
  const prepare = name === 'crypto.verify' ? decode : (token) => token;
  let verifiers;
  const commands = {
    async start(identity) {
      const verifierFor = await VERIFIERS[name](identity);
      verifiers = Object.fromEntries(ALGORITHMS.map((alg) => [alg, verifierFor(alg)]));
    },
    async run({ alg, tokens, forged }) {
      const verify = verifiers[alg];
      if (!(await isRefused(verify, prepare(forged)))) throw new Error('a forged token was accepted');
      const { claims, figures } = await measure(verify, tokens.map(prepare));
      if (tokens.some((token, i) => claimsOf(token).jti !== claims[i].jti)) throw new Error('the claims are wrong');
      return figures;
    },
  };
  process.on('message', async ({ command, ...args }) => {
    try {
      process.send({ result: await commands[command](args) });
    } catch (error) {
      process.send({ error: error.stack });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

// ---- the parent --------------------------------------------------------------------

function startVerifier(name) {
  const child = fork(__filename, ['--child', name], { env: { ...process.env, NODE_ENV: 'production' } });
  let answered = () => {};
  child.on('message', (answer) => answered(answer));
  child.on('exit', (code, signal) => answered({ error: `ended with ${signal ?? `code ${code}`}` }));
  return {
    async command(command, args) {
      const { result, error } = await new Promise((resolve) => {
        answered = resolve;
        child.send({ command, ...args }, (failure) => failure && resolve({ error: failure.message }));
      });
      if (error) throw new Error(`verify, ${name}: ${error}`);
      return result;
    },
    stop: () => child.connected && child.disconnect(),
  };
}

/** The claims of one token with the signature of another. */
function forge([one, other]) {
  return one.slice(0, one.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'));
}

/** One round: the same new tokens for each, one verifier at a time. */
async function runRound({ verifiers, order, issuer, count }) {
  const results = Object.fromEntries(order.map((name) => [name, {}]));
  for (const alg of ALGORITHMS) {
    const tokens = issuer.tokens(alg, count);
    const forged = forge(tokens);
    for (const name of order) {
      results[name][alg] = await verifiers[name].command('run', { alg, tokens, forged });
    }
  }
  return results;
}

async function run({ quick, runs }) {
  const settings = { ...(quick ? QUICK : MEASURED) };
  if (runs > settings.runs) settings.runs = runs;
  const names = Object.keys(VERIFIERS);
  const issuer = await makeIssuer();
  const verifiers = Object.fromEntries(names.map((name) => [name, startVerifier(name)]));
  const results = Object.fromEntries(names.map((name) => [name, []]));
  try {
    for (const name of names) await verifiers[name].command('start', { url: issuer.url, jwks: issuer.jwks });
    process.stderr.write(`verify: ${settings.runs} rounds\n`);
    for (let round = -settings.warmRounds; round < settings.runs; round++) {
      const order = names.map((_, i) => names[(i + round + names.length) % names.length]);
      const figures = await runRound({ verifiers, order, issuer, count: settings.tokens });
      for (const name of names) if (round >= 0) results[name].push(figures[name]);
    }
  } finally {
    for (const verifier of Object.values(verifiers)) verifier.stop();
    await issuer.close();
  }
  return { settings: { ...settings, inFlight: IN_FLIGHT }, versions: versions(), runs: results };
}

// ---- the report --------------------------------------------------------------------

function versions() {
  return {
    native: `native-sse ${require('../package.json').version}`,
    jose: `jose ${installed('jose')}`,
    'fast-jwt': `fast-jwt ${installed('fast-jwt')}`,
    'crypto.verify': `OpenSSL ${process.versions.openssl}, sync`,
  };
}

function installed(name) {
  return require(`../node_modules/${name}/package.json`).version;
}

const METRICS = [
  { key: 'mainCpuUs', label: 'CPU of the main thread / verification, µs', better: 'lower' },
  { key: 'activeUs', label: '  event loop busy / verification (ELU), µs', better: 'lower' },
  { key: 'processCpuUs', label: '  CPU of all threads / verification, µs', better: 'lower' },
  { key: 'perSecond', label: '  verifications / s', better: 'higher' },
];

function table(runs) {
  const names = Object.keys(runs);
  const peers = names.filter((name) => name !== OURS);
  const rows = [['', ...names, ...peers.map((name) => `${OURS} : ${name}`)]];
  for (const alg of ALGORITHMS) {
    for (const { key, label, better } of METRICS) {
      const of = (name) => runs[name].map((run) => run[alg][key]);
      const times = (name) => (better === 'higher' ? ratios(of(OURS), of(name)) : ratios(of(name), of(OURS)));
      rows.push([label.startsWith(' ') ? label : `${alg}, ${label}`,
        ...names.map((name) => write(spread(of(name)))), ...peers.map((name) => write(times(name)))]);
    }
  }
  return align(rows);
}

function text({ settings, versions: titles, runs }) {
  return [
    `Verification of ${settings.tokens} different tokens, ${settings.inFlight} in flight; ${rounds(settings.runs)}; ratios: times better`,
    ...Object.entries(titles).map(([name, title]) => `  ${name}: ${title}`),
    '',
    table(runs),
  ].join('\n');
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: process.env.QUICK === '1' },
      runs: { type: 'string', default: '0' },
    },
  });
  machine.refuseSlowBuild();
  const watched = machine.watch();
  const result = await run({ quick: options.quick, runs: Number(options.runs) });
  process.stdout.write(`\n${machine.heading({ machine: machine.describe(), ...watched() })}\n\n${text(result)}\n`);
}

module.exports = { run, text };

if (require.main === module) {
  if (process.argv[2] === '--child') {
    serveParent(process.argv[3]);
  } else {
    main().catch((error) => {
      process.stderr.write(`bench: ${error.message}\n`);
      process.exitCode = 1;
    });
  }
}
