-- Counts the jobs that end in each minute: `minutes:<minute since 1970>`, HASH of counts by kind. The key expires.
-- needs: start
-- gives: MINUTES, count_minute
local MINUTES = 60

local function count_minute(kind, count)
  local minute = key('minutes:' .. math.floor(now / 60000))
  if count > 0 and redis.call('HINCRBY', minute, kind, count) == count then
    redis.call('EXPIRE', minute, (MINUTES + 1) * 60)
  end
end
