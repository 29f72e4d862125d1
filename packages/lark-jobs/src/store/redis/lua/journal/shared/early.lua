-- Removes signals whose job was not queued in time. (signal.lua keeps a signal that comes before its job, and
-- the first claim of the job hands the signal out.)
-- needs: start, erase
-- gives: forget_early

-- Removes the journals with signals of jobs that were not queued in time. Removes entries from `early` when
-- their time is over, also those of jobs that were queued.
local function forget_early()
  local over = redis.call('ZRANGE', key('early'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
  local vain = {}
  for i, record in ipairs(#over > 0 and redis.call('HMGET', key('jobs'), unpack(over)) or {}) do
    vain[#vain + 1] = not record and over[i] or nil
  end
  drop_journals(vain)
  if #over > 0 then
    redis.call('ZREM', key('early'), unpack(over))
  end
end
