-- Takes one use of a live grant, unsettled but with effect at once. Somebody waits for it, so it does only what must be atomic: the
-- indexes by state follow when it is settled, and what it writes replaces what is there.
--
-- KEYS[1] row (hash)   KEYS[2] unsettled (sorted set by time written)
-- ARGV[1] id   ARGV[2] now, ms   ARGV[3] time to live of the keys, ms
-- Returns the uses left; -1 when the row is gone, not approved, past its time, or has a transition staged.

local row = redis.call('HMGET', KEYS[1], 'state', 'staged_version', 'grant_until', 'uses', 'version')
if row[1] ~= 'approved' or row[2] or tonumber(row[3]) <= tonumber(ARGV[2]) or tonumber(row[4]) < 1 then
  return -1
end

local left, version = row[4] - 1, row[5] + 1
if left > 0 then
  redis.call('HSET', KEYS[1], 'uses', left, 'version', version)
else
  redis.call('HSET', KEYS[1], 'uses', 0, 'version', version, 'state', 'consumed')
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1] .. ' ' .. version .. ' ' .. left)
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return left
