-- Removes all that is kept of jobs.
-- needs: start
-- gives: extras, erase

-- The keys that have something of some jobs besides their records.
local function extras()
  return {
    key('counters'), key('errors'), key('logs'), key('results'), key('reasons'), key('direct'), key('locks'),
    key('hooked'), key('payloads'),
  }
end

local function erase(ids)
  if #ids == 0 then
    return
  end
  redis.call('HDEL', key('jobs'), unpack(ids))
  local locks = redis.call('EXISTS', key('locks')) == 1 and redis.call('HMGET', key('locks'), unpack(ids)) or {}
  for i, lock in ipairs(locks) do
    local name = lock and string.match(lock, '|(.*)$')
    if name and redis.call('HGET', key('lockers'), name) == ids[i] then
      redis.call('HDEL', key('lockers'), name)
    end
  end
  local freed = 0
  for _, name in ipairs(extras()) do
    freed = redis.call('HDEL', name, unpack(ids))
  end
  -- The last of them are the payloads.
  if freed > 0 and redis.call('EXISTS', key('payloads')) == 0 and redis.call('HGET', key('settings'), 'large') == '1' then
    redis.call('HDEL', key('settings'), 'large')
  end
end
