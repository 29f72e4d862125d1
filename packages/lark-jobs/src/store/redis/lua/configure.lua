-- configure: keeps what is set for a partition by hand.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  1 to pause, 0 to resume, '' to leave as it is
-- Returns  1 when it is paused now, else 0
-- Cost     O(w) for w callers that wait, when it resumes
-- include: start
-- include: ring

local MAX_ITEMS = 1000

local was = redis.call('HGET', key('settings'), 'paused') or '0'
if ARGV[2] == '' then
  return tonumber(was)
end
redis.call('HSET', key('settings'), 'paused', ARGV[2])
if was == '1' and ARGV[2] == '0' then
  ring(MAX_ITEMS)
end
return tonumber(ARGV[2])
