-- Stages a transition: it is durable and excludes every other one, but has no effect until it is settled.
--
-- KEYS[1] row (hash)   KEYS[2] unsettled (sorted set by time written)
-- ARGV[1] id           ARGV[3] document after the transition (JSON)
-- ARGV[2] version after the transition
--                      ARGV[4] now, ms
-- Returns 1 staged, 0 the row has another version or a transition staged, or is gone.

local row = redis.call('HMGET', KEYS[1], 'version', 'staged_version', 'state', 'granted', 'uses')
if not row[1] or row[2] then
  return 0
end
-- Each use has made the version one larger.
local used = row[3] == 'approved' and row[4] - row[5] or 0
if row[1] + used ~= tonumber(ARGV[2]) - 1 then
  return 0
end

redis.call('HSET', KEYS[1], 'staged', ARGV[3], 'staged_version', ARGV[2], 'w:' .. ARGV[2], 'staged')
if row[3] == 'approved' then
  -- Nobody finds a use any more.
  redis.call('HSET', KEYS[1], 'ended', row[5], 'uses', '0')
end
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1] .. ' ' .. ARGV[2])
local ttl = redis.call('PTTL', KEYS[1])
if redis.call('PTTL', KEYS[2]) < ttl then
  redis.call('PEXPIRE', KEYS[2], ttl)
end
return 1
