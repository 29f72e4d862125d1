-- Late outcomes: outcomes of jobs that had started and were taken back from their worker. Such an outcome
-- counts until the job is claimed again (last-token.lua).
-- module: late_outcomes
-- needs: start, line, place, counters, locate
-- gives: hold_again

-- Makes a job active again if it was taken back under this token and still waits. Returns the holder field of
-- the job, or nothing.
local function hold_again(id, token)
  if redis.call('HGET', key('direct'), id) ~= token then
    return
  end
  local state, record, priority, place = locate(id)
  if state ~= 'waiting' and state ~= 'delayed' then
    return
  end
  leave(id, priority, place)
  local runs, failures, crashes, releases = counted(id)
  count(id, runs - 1, failures, crashes, releases)
  redis.call('SREM', key('retrying'), id)
  redis.call('HSET', key('direct'), id, 1)
  redis.call('ZREM', key('doubts'), id)
  local holder, lane = token .. '|', string.match(priority, '@(.*)$')
  holder = place and tonumber(place) ~= queued(id, record) and holder .. '@' .. place or holder
  if lane then
    redis.call('HINCRBY', key('group:' .. lane), 'busy', 1)
    holder = holder .. '~' .. lane
  end
  redis.call('HSET', key('holders'), id, holder)
  return holder
end
