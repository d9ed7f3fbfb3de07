-- Forgets an approval, unless something of it is unsettled.
--
-- KEYS[1] row (hash)             KEYS[4] next (sorted set by time of the next look)
-- KEYS[2] digest (string: id)    KEYS[5..11] one sorted set by id for each state
-- KEYS[3] all (sorted set by id)  KEYS[12] changed (sorted set by position)
--                                KEYS[13] grants (sorted set by id)
--                                KEYS[14] exchange (string: id)
-- ARGV[1] id
-- Returns 1 forgotten, 0 kept.

local row = redis.call('HMGET', KEYS[1], 'open', 'granted', 'uses', 'ended', 'settled')
if tonumber(row[1] or 0) > 0 or (row[2] and row[2] - (row[4] or row[3]) > tonumber(row[5])) then
  return 0
end
redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
if redis.call('GET', KEYS[14]) == ARGV[1] then
  redis.call('DEL', KEYS[14])
end
for index = 3, 13 do
  redis.call('ZREM', KEYS[index], ARGV[1])
end
return 1
