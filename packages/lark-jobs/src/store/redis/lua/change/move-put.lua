-- move-put: queues jobs that were taken out of another partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  the minimum number of milliseconds for which an ended job is kept
-- ARGV[3…] three values for each job: its id, the instant of the move, and its text (shared/gone.lua)
-- Returns  a letter for each job: a(rrived) now or in an earlier call, or w(aits) because another job has its
--          id
-- Cost     O(n log m) for n jobs among m
-- needs: start, numbered, calls, line, place, lanes, counters, payloads, admission, effects, keeping, event, ring, rouse, gone, locate, revoked, suspended, journals, retrying

local answer = recalled()
if answer then
  return answer
end

local least, rings, verdicts = tonumber(ARGV[2]), 0, {}

local FORM = '^([^\30]*)' .. string.rep('\30([^\30]*)', 9) .. '\30(.*)$'

local function bring(id, text)
  local at, marks, counters, errors, logs, progress, keep, record, large, written, lock = string.match(text, FORM)
  local place = tonumber(at)
  payloads().change_record(id, '', record, large ~= '' and large or nil)
  for name, value in pairs({ counters = counters, errors = errors, logs = logs, progress = progress }) do
    if value ~= '' then
      redis.call('HSET', key(name), id, value)
    end
  end
  for _, each in ipairs({ 'hooked', 'direct' }) do
    if string.find(marks, string.sub(each, 1, 1), 1, true) then
      redis.call('HSET', key(each), id, 1)
    end
  end
  local ages, own = string.match(keep ~= '' and keep or ',,,,', '^(.*,)(%d*)$')
  keeping().carry({ id }, ages .. string.format('%.0f', math.max(tonumber(own) or 0, least)))
  if lock ~= '' then
    local _, _, name = admission().read_lock(lock)
    redis.call('HSET', key('locks'), id, lock)
    if string.find(marks, 'l', 1, true) and not admission().locker(name) then
      redis.call('HSET', key('lockers'), name, id)
    end
  end
  note_retrying(id)
  if written ~= '' then
    place = journals().bring_journal(id, written) and math.min(place, now) or place
    note_suspended(id, (counted(id)))
  end
  local _, priority = queued(id, record)
  if put(id, priority, place, string.find(marks, 'f', 1, true)) or place <= now then
    rings = rings + 1
  end
  tell('queued', { id })
end

-- Whether the job that has this id now must stay, so that a moved job with the same id cannot arrive. The
-- moved job may replace an ended job, like a new job whose id may be used again.
local function stays(id)
  local state = locate(id)
  local has_ended = not state or state == 'completed' or state == 'failed' or state == 'cancelled'
  return not has_ended or gone(id) == 'moving' or redis.call('ZSCORE', key('effects:hook'), id)
end

local function arrive(id, moved_at, text)
  if is_revoked(id, moved_at) then
    return 'a'
  end
  local record = redis.call('HGET', key('jobs'), id)
  if record then
    local _, before = gone(id)
    if (before or moved_at_of(record)) >= moved_at then
      return 'a'
    elseif stays(id) then
      return 'w'
    end
    effects().purge(id)
  end
  bring(id, text)
  return 'a'
end

for i = 3, #ARGV, 3 do
  verdicts[#verdicts + 1] = arrive(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2])
end
if made.lanes then
  lanes().reposition_all()
end
rouse(ring(rings))
local all = table.concat(verdicts)
remember(all)
return all
