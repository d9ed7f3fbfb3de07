-- Frees a key that is bound to a content.
--
-- KEYS[1] claim (string: content)
-- ARGV[1] content
-- Returns 1 freed, 0 it is bound to something else, or free.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
