-- minutes: what ended in each of the last 60 minutes.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  four for each minute in which something did: minute since 1970, completed, failed, retried
-- Cost     O(1)
-- include: start
-- include: minute

local this, found = math.floor(now / 60000), {}
for minute = this - MINUTES + 1, this do
  local counts = redis.call('HMGET', key('minutes:' .. minute), 'completed', 'failed', 'retried')
  if counts[1] or counts[2] or counts[3] then
    found[#found + 1] = minute
    for i = 1, 3 do
      found[#found + 1] = tonumber(counts[i] or 0)
    end
  end
end
return found
