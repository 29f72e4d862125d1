-- configure: stores and returns the settings of a partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  1 to pause, 0 to resume, '' to leave as it is
-- ARGV[3]  how many paused groups to return
-- Returns  { 1 if it is paused now, else 0; a paused group; until when; another; … }
-- Cost     O(w) for w waiting callers when it resumes; O(log m) for m paused groups
-- needs: start, ring

local was = redis.call('HGET', key('settings'), 'paused') or '0'
local is = ARGV[2] == '' and was or ARGV[2]
if ARGV[2] ~= '' then
  redis.call('HSET', key('settings'), 'paused', is)
  if was == '1' and is == '0' then
    ring(MAX_ITEMS)
  end
end
local after = string.format('(%.0f', now)
return { is, unpack(redis.call('ZRANGEBYSCORE', key('paused'), after, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])) }
