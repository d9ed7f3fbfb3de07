-- A transition is on record: takes it off the unsettled ones, lets it take effect if it was staged, and tells everybody.
--
-- KEYS[1] row (hash)                                        KEYS[4] unsettled (sorted set by time written)
-- KEYS[2] digest (string: id)                               KEYS[5..11] one sorted set by id for each state, in the
-- KEYS[3] next (sorted set by time of the next look)                    order of ARGV[11..17]
--                                                           KEYS[12] changed (sorted set by position)
-- ARGV[1] id            ARGV[4] uses left after             ARGV[7] time to live of the keys, ms
-- ARGV[2] version after ARGV[5] end of the grant, ms, or '' ARGV[8] channel
-- ARGV[3] state after   ARGV[6] time of the next look, ms   ARGV[9] now, ms
-- ARGV[10] PUBLISH or SPUBLISH                              ARGV[11..17] names of the states
-- Returns 1 settled, 0 it was settled before or the row is gone.

local id, version = ARGV[1], ARGV[2]
-- A use of a grant leaves its mark here alone, with what it left.
local isUse = redis.call('ZREM', KEYS[4], id .. ' ' .. version .. ' ' .. ARGV[4]) == 1
if isUse then
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
  end
else
  redis.call('ZREM', KEYS[4], id .. ' ' .. version)
  if redis.call('HDEL', KEYS[1], 'w:' .. version) == 0 then
    return 0
  end
  redis.call('HINCRBY', KEYS[1], 'open', -1)
end

local ttl = tonumber(ARGV[7])
-- The state whose indexes the approval leaves; nil: it is where it belongs.
local before
if not isUse and redis.call('HGET', KEYS[1], 'staged_version') == version then
  before = redis.call('HGET', KEYS[1], 'state')
  local doc = redis.call('HGET', KEYS[1], 'staged')
  redis.call('HSET', KEYS[1], 'doc', doc, 'version', version, 'state', ARGV[3], 'uses', ARGV[4], 'grant_until', ARGV[5])
  redis.call('HDEL', KEYS[1], 'staged', 'staged_version')
  redis.call('PEXPIRE', KEYS[1], ttl)
  -- The latest of a digest must not be remembered longer than its row.
  if redis.call('GET', KEYS[2]) == id then
    redis.call('PEXPIRE', KEYS[2], ttl)
  end
elseif isUse and ARGV[3] == 'consumed' then
  before = 'approved'
end
if before then
  for index = 11, 17 do
    local key = KEYS[index - 6]
    if ARGV[index] == ARGV[3] then
      redis.call('ZADD', key, 0, id)
      if redis.call('PTTL', key) < ttl then
        redis.call('PEXPIRE', key, ttl)
      end
    elseif ARGV[index] == before then
      redis.call('ZREM', key, id)
    end
  end
  redis.call('ZADD', KEYS[3], ARGV[6], id)
  if redis.call('PTTL', KEYS[3]) < ttl then
    redis.call('PEXPIRE', KEYS[3], ttl)
  end
end

-- Positions grow by one clock or another: replicas' clocks differ, and all data may have been lost.
local last = redis.call('ZRANGE', KEYS[12], -1, -1, 'WITHSCORES')[2]
local position = math.max(tonumber(last or '0') + 1, tonumber(ARGV[9]))
redis.call('ZADD', KEYS[12], string.format('%.0f', position), id)
local kept = redis.call('PTTL', KEYS[1])
if redis.call('PTTL', KEYS[12]) < kept then
  redis.call('PEXPIRE', KEYS[12], kept)
end
-- What was done is done: a hint that the server cannot give does not undo it. Redis before 7 knows no SPUBLISH.
local told = redis.pcall(ARGV[10], ARGV[8], id)
if type(told) ~= 'number' then
  redis.pcall('PUBLISH', ARGV[8], id)
end
return 1
