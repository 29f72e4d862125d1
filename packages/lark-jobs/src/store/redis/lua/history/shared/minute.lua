-- Counts the jobs that end in each minute: `minutes:<minute since 1970>`, HASH of counts by kind. The key of
-- a minute expires. Before that, prune.lua rolls up the hour of the minute. The hours that must still be
-- rolled up are in `unrolled`: ZSET hour since 1970 -> when the hour is over.
-- needs: start
-- gives: MINUTES_KEPT, count_minute
local MINUTES_KEPT = 120

local function count_minute(kind, count)
  local number = math.floor(now / MINUTE)
  local minute = key('minutes:' .. number)
  if count > 0 and redis.call('HINCRBY', minute, kind, count) == count then
    redis.call('EXPIRE', minute, (MINUTES_KEPT + 1) * 60)
    local hour = math.floor(number / 60)
    redis.call('ZADD', key('unrolled'), (hour + 1) * HOUR, hour)
  end
end
