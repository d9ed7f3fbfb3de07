-- A transition is on record: takes it off the unsettled ones, lets it take effect if it was staged, and tells everybody.
--
-- KEYS[1] row (hash)                                        KEYS[4] unsettled (sorted set by time written)
-- KEYS[2] digest (string: id)                               KEYS[5..11] one sorted set by id for each state, in the
-- KEYS[3] next (sorted set by time of the next look)                    order of ARGV[10..16]
--                                                           KEYS[12] changed (sorted set by position)
--                                                           KEYS[13] grants (sorted set by id)
-- ARGV[1] id            ARGV[4] uses left after             ARGV[7] channel
-- ARGV[2] version after ARGV[5] time of the next look, ms   ARGV[8] now, ms
-- ARGV[3] state after   ARGV[6] time to live of the keys, ms
-- ARGV[9] PUBLISH or SPUBLISH                               ARGV[10..16] names of the states
-- Returns 1 settled, 0 it was settled before or the row is gone.

local id, version, ttl = ARGV[1], ARGV[2], tonumber(ARGV[6])
local row = redis.call('HMGET', KEYS[1], 'state', 'granted', 'grant_version', 'uses', 'ended', 'settled', 'staged_version')
local granted, settled = tonumber(row[2] or 0), tonumber(row[6] or 0)
local used = granted > 0 and granted - (row[5] or row[4]) or 0
-- Which use of the grant it is, if it is one: each has made the version one larger.
local number = granted > 0 and version - row[3] or 0
local state = row[1]
-- The state whose indexes the approval leaves; nil: it is where it belongs.
local before

local function extend(key)
  if redis.call('PTTL', key) < ttl then
    redis.call('PEXPIRE', key, ttl)
  end
end

if number >= 1 and number <= used then
  if number <= settled or redis.call('HEXISTS', KEYS[1], 's:' .. number) == 1 then
    return 0
  end
  if number == settled + 1 then
    settled = number
    while redis.call('HDEL', KEYS[1], 's:' .. (settled + 1)) == 1 do
      settled = settled + 1
    end
    redis.call('HSET', KEYS[1], 'settled', settled)
  else
    redis.call('HSET', KEYS[1], 's:' .. number, '')
  end
  if ARGV[3] == 'consumed' then
    before = 'approved'
  end
else
  redis.call('ZREM', KEYS[4], id .. ' ' .. version)
  if redis.call('HDEL', KEYS[1], 'w:' .. version) == 0 then
    return 0
  end
  redis.call('HINCRBY', KEYS[1], 'open', -1)
  if row[7] == version then
    before, state = state, ARGV[3]
    local doc = redis.call('HGET', KEYS[1], 'staged')
    redis.call('HSET', KEYS[1], 'doc', doc, 'version', version, 'state', state)
    redis.call('HDEL', KEYS[1], 'staged', 'staged_version')
    redis.call('PEXPIRE', KEYS[1], ttl)
    -- The latest of a digest must not be remembered longer than its row.
    if redis.call('GET', KEYS[2]) == id then
      redis.call('PEXPIRE', KEYS[2], ttl)
    end
    if state == 'approved' then
      redis.call('HSET', KEYS[1], 'granted', ARGV[4], 'grant_version', version, 'settled', '0', 'uses', ARGV[4])
      redis.call('ZADD', KEYS[13], 0, id)
      extend(KEYS[13])
    end
  end
end
-- Nothing can be taken of the grant any more, and all that was is on record.
if granted > 0 and settled == used and (used == granted or state ~= 'approved') then
  redis.call('ZREM', KEYS[13], id)
end

if before then
  for index = 10, 16 do
    local key = KEYS[index - 5]
    if ARGV[index] == ARGV[3] then
      redis.call('ZADD', key, 0, id)
      extend(key)
    elseif ARGV[index] == before then
      redis.call('ZREM', key, id)
    end
  end
  redis.call('ZADD', KEYS[3], ARGV[5], id)
  extend(KEYS[3])
end

-- Positions grow by one clock or another: replicas' clocks differ, and all data may have been lost.
local last = redis.call('ZRANGE', KEYS[12], -1, -1, 'WITHSCORES')[2]
local position = math.max(tonumber(last or '0') + 1, tonumber(ARGV[8]))
redis.call('ZADD', KEYS[12], string.format('%.0f', position), id)
local kept = redis.call('PTTL', KEYS[1])
if redis.call('PTTL', KEYS[12]) < kept then
  redis.call('PEXPIRE', KEYS[12], kept)
end
-- What was done is done: a hint that the server cannot give does not undo it. Redis before 7 knows no SPUBLISH.
local told = redis.pcall(ARGV[9], ARGV[7], id)
if type(told) ~= 'number' then
  redis.pcall('PUBLISH', ARGV[7], id)
end
return 1
