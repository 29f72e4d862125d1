-- Appends four numbers for each of the last minutes in which a job ended: the minute, completed, failed, retried.
local function append_minutes(found)
  local this, rest = math.floor(now / 60000), {}
  for minute = this - MINUTES + 1, this do
    rest[#rest + 1] = key('minutes:' .. minute)
  end
  -- In most partitions no job has ended lately.
  if redis.call('EXISTS', unpack(rest)) == 0 then
    return found
  end
  for minute = this - MINUTES + 1, this do
    local ended = redis.call('HMGET', key('minutes:' .. minute), 'completed', 'failed', 'retried')
    if ended[1] or ended[2] or ended[3] then
      found[#found + 1] = minute
      for kind = 1, 3 do
        found[#found + 1] = tonumber(ended[kind] or 0)
      end
    end
  end
  return found
end
