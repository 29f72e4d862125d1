-- configure: stores and returns the settings of a partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  1 to pause, 0 to resume, '' to leave as it is; `+` and milliseconds to pause for a time, with a second `+`
--          unless it is paused for longer; then, if it is paused, `|` and why, if that is known
-- ARGV[3]  how many paused groups to return
-- Returns  { the pause (shared/pause.lua); a paused group; until when; another; … }
-- Cost     O(w) for w waiting callers when it resumes, or pauses for a time; O(log m) for m paused groups
-- needs: start, ring, pause, pauses

local more, ms, because = string.match(ARGV[2], '^%+(%+?)(%d+)(.*)$')
if ms then
  if more == '' then
    redis.call('HSET', key('settings'), 'paused', '0')
  end
  pauses().pause_for(tonumber(ms), because)
elseif ARGV[2] ~= '' then
  local was_paused = pause_left(redis.call('HGET', key('settings'), 'paused'))
  redis.call('HSET', key('settings'), 'paused', ARGV[2])
  if was_paused and ARGV[2] == '0' then
    ring(MAX_ITEMS)
  end
end
local is = redis.call('HGET', key('settings'), 'paused')
is = pause_left(is) and is or '0'
local after = string.format('(%.0f', now)
return { is, unpack(redis.call('ZRANGEBYSCORE', key('paused'), after, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])) }
