// bench/million.js: what so many connections would need, computed from the measured costs of one. Pure.
'use strict';

const CONNECTIONS = 1_000_000;
const CORES = 64;
const HEARTBEAT_SECONDS = 30;
const NIC_BITS_PER_SECOND = 25e9;
/** Around the bytes of an event: Ethernet with preamble and gap (38), IPv4 (20), TCP with timestamps (32). */
const PACKET_OVERHEAD_BYTES = 90;
const EVENT_BYTES = 150;

/**
 * @param {{ ownBytes: number, kernelBytes: number, deliveryUs: number, heartbeatUs: number, connectUs: number }} unit
 *   bytes of one idle connection, in the process and in the kernel (one end), and CPU in µs
 */
function needsOf({ ownBytes, kernelBytes, deliveryUs, heartbeatUs, connectUs }) {
  const eventCoreSeconds = (CONNECTIONS * deliveryUs) / 1e6;
  const eventBits = CONNECTIONS * (EVENT_BYTES + PACKET_OVERHEAD_BYTES) * 8;
  return {
    ownGB: (CONNECTIONS * ownBytes) / 1e9,
    kernelGB: (CONNECTIONS * kernelBytes) / 1e9,
    heartbeatCores: ((CONNECTIONS / HEARTBEAT_SECONDS) * heartbeatUs) / 1e6,
    heartbeatsPerSecond: CONNECTIONS / HEARTBEAT_SECONDS,
    eventCoreSeconds,
    eventSeconds: eventCoreSeconds / CORES,
    eventGbit: eventBits / 1e9,
    nicSeconds: eventBits / NIC_BITS_PER_SECOND,
    eventsPerSecond: Math.min(CORES / eventCoreSeconds, NIC_BITS_PER_SECOND / eventBits),
    connectsPerSecond: 1e6 / connectUs,
    connectMinutes: (CONNECTIONS * connectUs) / 1e6 / 60,
  };
}

module.exports = { needsOf, CONNECTIONS, CORES, HEARTBEAT_SECONDS, EVENT_BYTES, PACKET_OVERHEAD_BYTES };
