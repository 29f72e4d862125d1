-- Appends four numbers for each minute from `first` to `last` in which a job ended: the minute since 1970,
-- and how many jobs completed, failed and were retried.
-- needs: start
-- gives: append_minutes
local function append_minutes(found, first, last)
  local rest = {}
  for minute = first, last do
    rest[#rest + 1] = key('minutes:' .. minute)
  end
  -- In most partitions, jobs have ended in none or only a few of these minutes. So one command first counts
  -- the minutes that exist.
  local left, minutes = redis.call('EXISTS', unpack(rest)), {}
  for minute = last, first, -1 do
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
