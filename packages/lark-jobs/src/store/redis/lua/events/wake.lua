-- wake: rings a waiting caller other than the caller of this script.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  caller
-- Returns  nothing
-- Cost     O(1)
-- needs: start, ring

local waits = redis.call('SREM', key('idle'), ARGV[2])
ring(1)
if waits == 1 then
  redis.call('SADD', key('idle'), ARGV[2])
end
