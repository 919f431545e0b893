'use strict';

// redis-scripts.js - what runs inside Redis: appending to the log, and joining it. Each is one script, so that an id is
// given and its records are appended in one step. All keys share a hash tag.

const { createHash } = require('node:crypto');

/** The id given last; a lost key is restored from the log. Numbers stay exact below 2^53, and are written by %.0f. */
const COMMON = `
local function fmt(n) return string.format('%.0f', n) end
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function last_id()
  local last = tonumber(redis.call('GET', KEYS[1]) or '')
  if last then return last end
  local info = redis.pcall('XINFO', 'STREAM', KEYS[2])
  if info.err then return 0 end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^(%d+)')) end
  end
  return 0
end
`;

/**
 * Appends records, in order.
 *
 * KEYS: sequence, log, then of each record: its idempotency key if it has one, its history streams.
 * ARGV: length of the log, length and ttl (ms) of a history, ttl of an idempotency key, the highest id that the caller
 *   knows, the number of records, then of each: payload, number of histories, 1 with an idempotency key.
 * Answers of each record its id, or '!' and why it was not appended, to any of its streams. Each log entry says which id came before it.
 */
const APPEND = `${COMMON}
local time = now()
local top = last_id()
local used = top
local bound = tonumber(ARGV[5])
if bound > used then used = bound end
local out = {}
local k, a = 3, 7
for i = 1, tonumber(ARGV[6]) do
  local payload, n = ARGV[a], tonumber(ARGV[a + 1])
  local idem, first
  if ARGV[a + 2] == '1' then
    idem = KEYS[k]
    k = k + 1
    first = redis.call('GET', idem)
  end
  if first then
    out[i] = first
  else
    used = (time > used) and time or used + 1
    local sid = fmt(used)
    local err = used >= 9007199254740992 and 'the ids have reached 2^53'
    local done = k - 1
    for h = k, k + n - 1 do
      if not err then
        local reply = redis.pcall('XADD', KEYS[h], 'MAXLEN', '=', ARGV[2], sid .. '-0', 'p', payload)
        err = type(reply) == 'table' and reply.err
        if not err then
          redis.call('PEXPIRE', KEYS[h], ARGV[3])
          done = h
        end
      end
    end
    if not err then
      local reply = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], sid .. '-0', 'b', fmt(top), 'p', payload)
      err = type(reply) == 'table' and reply.err
    end
    if err then
      for h = k, done do redis.pcall('XDEL', KEYS[h], sid .. '-0') end
      out[i] = '!' .. err
    else
      top = used
      redis.call('SET', KEYS[1], sid)
      if idem then redis.call('SET', idem, sid, 'PX', ARGV[4]) end
      out[i] = sid
    end
  end
  k = k + n
  a = a + 3
end
return out
`;

/**
 * Said by every tail when it has connected, and now and then. Where Redis may have lost records that it had acknowledged
 * (it was restarted, it was flushed, its ids went back) a mark is appended to the log: everything before it may be
 * incomplete.
 *
 * KEYS: sequence, log, run (of the server whose log this is), floor (id of the last mark), ttl (of histories).
 * ARGV: the highest id that the caller knows, 1 if it was connected before, length of the log, ttl of a history.
 * Answers the id given last.
 */
const JOIN = `${COMMON}
local bound = tonumber(ARGV[1])
local last = last_id()
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
local stored = redis.call('GET', KEYS[3])
local is_lost = last < bound or not redis.call('GET', KEYS[4])
if run then
  if stored ~= run then is_lost = true end
elseif ARGV[2] == '1' then
  is_lost = true
end
if is_lost then
  local id = math.max(last + 1, now(), bound + 1)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], fmt(id) .. '-0', 'b', fmt(last), 'g', '1')
  redis.call('SET', KEYS[1], fmt(id))
  redis.call('SET', KEYS[4], fmt(id))
  redis.call('SET', KEYS[3], run or 'unknown')
  last = id
end
if redis.call('GET', KEYS[5]) ~= ARGV[4] then
  if not is_lost then redis.call('SET', KEYS[4], fmt(math.max(now(), last))) end
  redis.call('SET', KEYS[5], ARGV[4])
end
return fmt(last)
`;

const script = (text) => ({ text, sha: createHash('sha1').update(text).digest('hex') });

module.exports = { append: script(APPEND), join: script(JOIN) };
