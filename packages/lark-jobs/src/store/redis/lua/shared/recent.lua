-- Appends four numbers for each of the last minutes in which a job ended: the minute, completed, failed, retried.
-- needs: start, minute
-- gives: append_minutes
local function append_minutes(found)
  local this, rest = math.floor(now / 60000), {}
  for minute = this - MINUTES + 1, this do
    rest[#rest + 1] = key('minutes:' .. minute)
  end
  -- In most partitions no job has ended lately, or only within a few minutes.
  local left, minutes = redis.call('EXISTS', unpack(rest)), {}
  for minute = this, this - MINUTES + 1, -1 do
    local ended = left > 0 and redis.call('HMGET', key('minutes:' .. minute), 'completed', 'failed', 'retried') or {}
    if ended[1] or ended[2] or ended[3] then
      left = left - 1
      table.insert(minutes, 1, { minute, tonumber(ended[1] or 0), tonumber(ended[2] or 0), tonumber(ended[3] or 0) })
    end
  end
  for _, ended in ipairs(minutes) do
    for i = 1, 4 do
      found[#found + 1] = ended[i]
    end
  end
  return found
end
