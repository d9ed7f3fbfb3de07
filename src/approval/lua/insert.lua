-- Writes a new approval, unsettled, and makes it the latest of its digest, if the one it replaces still is the latest.
--
-- KEYS[1] row (hash)             KEYS[4] all (sorted set by id)
-- KEYS[2] digest (string: id)    KEYS[5] next (sorted set by time of the next look)
-- KEYS[3] state of the approval  KEYS[6] unsettled (sorted set by time written)
--         (sorted set by id)    KEYS[7] exchange (string: id)
-- ARGV[1] id                     ARGV[5] state
-- ARGV[2] id replaced, '' none   ARGV[6] time of the next look, ms
-- ARGV[3] document (JSON)        ARGV[7] now, ms
-- ARGV[4] version                ARGV[8] time to live of the keys, ms
-- Returns 1 written, 0 another approval is the latest.

local function extend(key, ttl)
  if redis.call('PTTL', key) < ttl then
    redis.call('PEXPIRE', key, ttl)
  end
end

local latest = redis.call('GET', KEYS[2]) or ''
if latest ~= ARGV[2] or redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end

local id, version, ttl = ARGV[1], ARGV[4], tonumber(ARGV[8])
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'version', version, 'state', ARGV[5], 'uses', '0',
  'open', '1', 'w:' .. version, 'opened')
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('SET', KEYS[2], id, 'PX', ttl)
redis.call('SET', KEYS[7], id, 'PX', ttl)
redis.call('ZADD', KEYS[3], 0, id)
redis.call('ZADD', KEYS[4], 0, id)
redis.call('ZADD', KEYS[5], ARGV[6], id)
redis.call('ZADD', KEYS[6], ARGV[7], id .. ' ' .. version)
for index = 3, 6 do
  extend(KEYS[index], ttl)
end
return 1
