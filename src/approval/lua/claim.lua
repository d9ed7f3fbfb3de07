-- Binds a key to a content for a while, unless it is bound.
--
-- KEYS[1] claim (string: content)
-- ARGV[1] content   ARGV[2] time to live, ms
-- Returns the content that the key is bound to.

local bound = redis.call('GET', KEYS[1])
if bound then
  return bound
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
