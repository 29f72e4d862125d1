-- Forgets signals for jobs that have not come in time. signal.lua keeps a signal that comes before its job,
-- and the job gets the signal with its first claim.
-- needs: start, erase
-- gives: forget_early

-- Removes the signals for jobs that have not come in time, and the entries in `early` of jobs that have come.
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
