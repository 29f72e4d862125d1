-- Unique jobs and their locks. `lockers` names the job that took a lock last. Nothing is written when this
-- job loses the lock: a new job with the same lock checks whether the named job still holds the lock.
--   lockers    HASH  name -> id of the job that took the lock last
--   locks      HASH  id -> how long the job holds its lock | name of the lock. d: until the job has ended; s
--                    and the number of runs that the job had when it took the lock: until its next run
--                    starts; q: the job did not keep the lock after it was queued
--   throttles, throttlers  ZSET, HASH  name of the lock -> when the next job may be queued; name of the lock
--                                      -> id of the job that was queued last
-- module: admission
-- needs: start, line, place, payloads, options, counters, locate, last_tokens, journaled
-- gives: read_lock, locker, take_lock, meet, hold

local function read_lock(lock)
  local till, runs, name = string.match(lock, '^(%a)(%d*)|(.*)$')
  return till, tonumber(runs), name
end

-- The job that holds a lock: id, state, record, priority, place (`locate.lua`); nothing if no job holds it.
local function locker(name)
  local id = redis.call('HGET', key('lockers'), name)
  local lock = id and redis.call('HGET', key('locks'), id)
  if not lock then
    return
  end
  local till, runs = read_lock(lock)
  local state, record, priority, place = locate(id)
  if state == 'active' and till == 'd'
    or (state == 'waiting' or state == 'delayed') and (till == 'd' or counted(id) == runs) then
    return id, state, record, priority, place
  end
end

-- Gives a job its lock. `till`: s or d. `runs`: how many times the job has been started.
local function take_lock(id, till, name, runs)
  redis.call('HSET', key('lockers'), name, id)
  redis.call('HSET', key('locks'), id, till .. (till == 's' and runs or '') .. '|' .. name)
  if till == 's' then
    redis.call('HSET', key('direct'), id, 1)
  end
end

-- Parses the lock of a new job: `until|replace or ''|debounce or ''|longest wait or ''|throttle or ''|name`.
local function read_wanted(lock)
  return string.match(lock, '^(.)|(.-)|(.-)|(.-)|(.-)|(.*)$')
end

-- Decides whether a new job with a lock is queued. Returns nothing if the new job is queued; the caller then
-- calls `hold`. If the new job is not queued, returns a letter and the id of the job that has the lock:
-- u(nique), t(hrottled) or r(eplaced). With `r`, this function has given the job that has the lock the
-- payload of the new job and the options that belong to the payload. `mine`: the record of the new job.
-- `large`: its payload, if the payload is not in the record.
local function meet(lock, mine, large)
  local _, replace, debounce, longest, throttle, name = read_wanted(lock)
  if throttle ~= '' and tonumber(redis.call('ZSCORE', key('throttles'), name) or 0) > now then
    return 't', redis.call('HGET', key('throttlers'), name)
  end
  local other, state, record, priority, place = locker(name)
  if not other then
    return
  end
  if replace == '' or state == 'active' or not payloads().is_changeable(record) or has_recorded(other) then
    return 'u', other
  end
  local _, said = options().options_of(mine)
  local changes = { tags = said.tags or '', redact = said.redact or '', editedAt = '' }
  local head = string.sub(record, 1, payloads().payload_at(record) - 1)
  local changed = options().with_options(head .. string.sub(mine, payloads().payload_at(mine)), changes)
  payloads().change_record(other, record, changed, large)
  last_tokens().settles_no_more({ other })
  if debounce ~= '' and state == 'delayed' then
    local latest = longest ~= '' and queued(other, record) + tonumber(longest) or math.huge
    leave(other, priority, place)
    put(other, priority, math.max(now, math.min(now + tonumber(debounce), latest)))
  end
  return 'r', other
end

-- Gives a new job its lock.
local function hold(lock, id)
  local till, _, _, _, throttle, name = read_wanted(lock)
  take_lock(id, till, name, 0)
  if throttle ~= '' then
    redis.call('ZADD', key('throttles'), now + tonumber(throttle), name)
    redis.call('HSET', key('throttlers'), name, id)
  end
end
