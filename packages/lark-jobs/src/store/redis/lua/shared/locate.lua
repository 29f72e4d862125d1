-- Finds a job. Returns its state, its record, its priority, and its place if the job is in a lane or in the
-- `due` half of a line. For an ended job with an age of its own (keeping.lua), `kept:` is returned in place
-- of the place. Returns nothing if the job does not exist or is hidden (effect.lua). New state: add how a job
-- in it is found.
-- needs: start, line
-- gives: locate
local function locate(id)
  local record = redis.call('HGET', key('jobs'), id)
  if not record or string.sub(record, 1, 1) == '~' then
    return
  end
  local _, priority = queued(id, record)
  if redis.call('HEXISTS', key('holders'), id) == 1 then
    return 'active', record, priority
  end
  for _, state in ipairs(ENDED_STATES) do
    if redis.call('ZSCORE', key(state), id) then
      return state, record, priority
    end
  end
  if redis.call('ZSCORE', key('kept'), id) then
    for _, state in ipairs(ENDED_STATES) do
      if redis.call('ZSCORE', key('kept:' .. state), id) then
        return state, record, priority, 'kept:'
      end
    end
  end
  local due = string.find(priority, '@', 1, true) and key('laned') or line('due', priority)
  local place = redis.call('ZSCORE', due, id)
  if place and tonumber(place) > now then
    return 'delayed', record, priority, place
  end
  return 'waiting', record, priority, place
end
