-- Takes one use of a grant, with effect at once. Somebody waits for it, so it is one command: that the use is not settled can be told
-- from the row, its time is the caller's to look at, and the indexes follow when it is settled.
--
-- KEYS[1] row (hash)
-- Returns the uses left; -1 when there was none to take: the row is gone, holds no grant, or has a transition staged.

local left = redis.call('HINCRBY', KEYS[1], 'uses', '-1')
if left >= 0 then
  return left
end
redis.call('HINCRBY', KEYS[1], 'uses', '1')
if redis.call('HEXISTS', KEYS[1], 'doc') == 0 then
  redis.call('DEL', KEYS[1])
end
return -1
