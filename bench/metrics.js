// bench/metrics.js: the figures of a result by name, unit and direction, in the order of the table.
'use strict';

/** @typedef {{ key: string, label: string, better: 'higher' | 'lower' | null }} Metric */

const higher = (key, label) => ({ key, label, better: 'higher' });
const lower = (key, label) => ({ key, label, better: 'lower' });
const neutral = (key, label) => ({ key, label, better: null });

const number = (n) => n.toLocaleString('en-US');

/** (a) among so many. */
function singleMetrics(clients) {
  const key = (name) => `a.${clients}.${name}`;
  return [
    higher(key('perSecond'), `(a) one event to ${number(clients)}, deliveries / s`),
    lower(key('p50Ms'), '  latency p50, ms'),
    lower(key('p99Ms'), '  latency p99, ms'),
    lower(key('maxMs'), '  latency max, ms'),
    lower(key('loopUs'), '  event-loop time / publish, one a turn, µs'),
    lower(key('callUs'), '    the call alone, µs'),
    lower(key('pausedCpuUs'), '  event-loop time / publish, 2 ms apart, µs'),
    lower(key('pausedCallUs'), '    the call alone, µs'),
    lower(key('coldCpuUs'), '  event-loop time / publish, after a pause, µs'),
    lower(key('coldActiveUs'), '    the same as wall-clock time (ELU), µs'),
    lower(key('coldCallUs'), '    the call alone, µs'),
    neutral(key('encodeUs'), '    JSON.stringify and Buffer.from alone, µs'),
    lower(key('cpuPerDeliveryUs'), '  CPU of all threads / delivery, µs'),
    neutral(key('loadCpuPerDeliveryUs'), '  CPU of the load generator / delivery, µs'),
  ];
}

function burstMetrics(kind, label) {
  const key = (name) => `b.${kind}.${name}`;
  return [
    higher(key('perSecond'), `(b) ${label}, deliveries / s`),
    neutral(key('count'), '  events in a burst'),
    lower(key('p99Ms'), '  latency p99, ms'),
    lower(key('callUs'), '  publish call, µs'),
    lower(key('mainCpuUs'), '  CPU of the main thread / publish, µs'),
    lower(key('cpuPerDeliveryUs'), '  CPU of all threads / delivery, µs'),
    neutral(key('loadCpuShare'), '  load generator busy, share of the time'),
  ];
}

function aloneMetrics(kind, label) {
  const key = (name) => `d.${kind}.${name}`;
  return [
    lower(key('cpuPerDeliveryUs'), `(d) one subscriber a channel among ${label}, CPU / delivery, µs`),
    lower(key('usPerDelivery'), '  time / delivery, µs'),
    lower(key('p50Ms'), '  latency p50 of a single event, ms'),
    lower(key('spacedCpuUs'), '  CPU of all threads / single event, µs'),
  ];
}

function memoryMetrics(clients) {
  const key = (name) => `f.${clients}.${name}`;
  return [
    lower(key('ownBytes'), `(f) ${number(clients)} idle, JS heap and malloc / connection, bytes`),
    lower(key('heapBytes'), '  JS heap, bytes'),
    lower(key('mallocBytes'), '  malloc, bytes'),
    lower(key('rssBytes'), '  resident set, bytes'),
    neutral(key('kernelBytes'), '  kernel, both ends of the connection, bytes'),
  ];
}

function connectMetrics(kind, label) {
  const key = (name) => `g.${kind}.${name}`;
  return [
    lower(key('mainCpuUs'), `(g) connect, ${label}, CPU of the main thread, µs`),
    lower(key('processCpuUs'), '  CPU of all threads, µs'),
    lower(key('withLeaveMainCpuUs'), '  with the leaving, CPU of the main thread, µs'),
    higher(key('perSecond'), '  connects / s'),
  ];
}

function growthMetrics(count) {
  const key = (name) => `growth.${count}.${name}`;
  return [
    lower(key('mainCpuUs'), `publish among ${number(count)} channels, CPU of the main thread, µs`),
    lower(key('callUs'), '  publish call, µs'),
    lower(key('processCpuUs'), '  CPU of all threads, µs'),
    lower(key('p50Ms'), '  latency p50, ms'),
  ];
}

/** @returns {Metric[]} of a run with these settings */
function metricsOf({ sizes, idle }) {
  const { channels, perChannel, clients } = sizes.channels;
  return [
    ...sizes.all.flatMap(singleMetrics),
    ...burstMetrics('tick', `burst to ${number(sizes.main)}, one tick`),
    ...burstMetrics('turn', `burst to ${number(sizes.main)}, one a turn`),
    higher('c.perSecond', `(c) ${number(channels)} channels of ${perChannel}, deliveries / s`),
    lower('c.cpuPerDeliveryUs', '  CPU of all threads / delivery, µs'),
    lower('c.usPerDelivery', '  time / delivery, µs'),
    ...aloneMetrics('few', '100'),
    ...aloneMetrics('all', number(clients)),
    higher('e.megabytesPerSecond', `(e) 100 KB to ${number(sizes.big)}, MB / s`),
    lower('e.p99Ms', '  latency p99, ms'),
    lower('e.cpuPerDeliveryUs', '  CPU of all threads / delivery, µs'),
    ...sizes.all.filter((clients) => clients >= 1000).flatMap(memoryMetrics),
    lower('idle.cpuPercent', `(f) ${number(idle.clients)} idle, heartbeat ${idle.heartbeat / 1000} s, CPU, % of a core`),
    lower('idle.mainCpuPercent', '  of the main thread, %'),
    lower('idle.cpuPerHeartbeatUs', '  CPU / heartbeat, µs'),
    neutral('idle.heartbeatShare', '  heartbeats that came, of those due'),
    ...connectMetrics('cold', 'token never seen'),
    ...connectMetrics('warm', 'token seen before'),
    ...connectMetrics('plain', 'no token'),
    lower('connect.mainCpuUs', 'connect without a token, CPU of the main thread, µs'),
    lower('connect.processCpuUs', '  CPU of all threads, µs'),
    higher('connect.perSecond', '  connects / s'),
    higher('h.eventsPerSecond', `(h) storm of ${number(sizes.storm)} with a replay of 100, events / s`),
    lower('h.seconds', '  until all have all, s'),
    lower('h.p50Ms', '  p50 until connected, ms'),
    lower('h.processCpuUs', '  CPU of all threads / reconnect, µs'),
    lower('h.mainCpuUs', '  CPU of the main thread / reconnect, µs'),
    lower('h.delayMaxMs', '  longest delay of the event loop, ms'),
    neutral('h.retried', '  connects that the kernel had to repeat'),
    ...sizes.growth.flatMap(growthMetrics),
  ];
}

module.exports = { metricsOf, number };
