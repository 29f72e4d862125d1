-- move-put: queues jobs that were taken out of another partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's; then the call (shared/numbered.lua), and as if that were not there:
-- ARGV[2]  milliseconds for which a job is kept at least when it has ended
-- ARGV[3…] three values for each: its id; how often it was moved; its text (shared/gone.lua)
-- Returns  how many are here now that were not before
-- Cost     O(n log m) for n jobs among m
-- needs: start, numbered, calls, line, place, lanes, counters, payloads, admission, effects, keeping, event, ring, rouse, gone

local answer = recalled()
if answer then
  return tonumber(answer)
end

local least, count, rings = tonumber(ARGV[2]), 0, 0

local FORM = '^([^\30]*)' .. string.rep('\30([^\30]*)', 8) .. '\30(.*)$'

local function bring(id, text)
  local at, marks, counters, errors, logs, progress, keep, record, large, lock = string.match(text, FORM)
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
  local _, priority = queued(id, record)
  if put(id, priority, place, string.find(marks, 'f', 1, true)) or place <= now then
    rings = rings + 1
  end
  count = count + 1
  tell('queued', { id })
end

for i = 3, #ARGV, 3 do
  local id, moves = ARGV[i], tonumber(ARGV[i + 1])
  local is_known = redis.call('HEXISTS', key('jobs'), id) == 1
  local state, before = gone(id)
  -- It has come back to where it was.
  local is_back = state == 'moved' and before < moves
  if is_back then
    effects().purge(id)
  end
  if is_back or not is_known then
    bring(id, ARGV[i + 2])
  end
end
if made.lanes then
  lanes().reposition_all()
end
rouse(ring(rings))
remember(count)
return count
