-- Takes one use of a live grant, unsettled but with effect at once.
--
-- KEYS[1] row (hash)                              KEYS[4] next (sorted set by time of the next look)
-- KEYS[2] state approved (sorted set by id)       KEYS[5] unsettled (sorted set by time written)
-- KEYS[3] state consumed (sorted set by id)
-- ARGV[1] id   ARGV[2] now, ms   ARGV[3] when a used-up approval may be forgotten, ms
-- Returns {version, uses left} after the use; {} when the row is gone, not approved, past its time, or has a transition
-- staged.

local row = redis.call('HMGET', KEYS[1], 'version', 'state', 'uses', 'grant_until', 'staged_version')
local version, state, uses, untilMs, staged = row[1], row[2], row[3], row[4], row[5]
if state ~= 'approved' or staged or tonumber(untilMs) <= tonumber(ARGV[2]) or tonumber(uses) < 1 then
  return {}
end

local left = tonumber(uses) - 1
local after = string.format('%d', tonumber(version) + 1)
redis.call('HSET', KEYS[1], 'version', after, 'uses', string.format('%d', left),
  'w:' .. after, 'consumed ' .. string.format('%d', left))
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1] .. ' ' .. after)
local ttl = redis.call('PTTL', KEYS[1])
if left == 0 then
  redis.call('HSET', KEYS[1], 'state', 'consumed')
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
end
for index = 3, 5 do
  if redis.call('PTTL', KEYS[index]) < ttl then
    redis.call('PEXPIRE', KEYS[index], ttl)
  end
end
return {tonumber(after), left}
