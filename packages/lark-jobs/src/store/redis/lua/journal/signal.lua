-- signal: keeps a signal for a job. If the job waits for this signal, the job becomes due.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  the id of the job
-- ARGV[3]  the name of the signal
-- ARGV[4]  the text of the signal
-- ARGV[5]  the key of the signal, or ''
-- ARGV[6]  1 if the signal is kept even if there is no such job, otherwise ''
-- ARGV[7]  the brief text of the signal, or ''
-- Returns  the verdict (`store/contract/journals.ts`)
-- Cost     O(log m) for m delayed jobs; O(n) for n signals of the job
-- needs: start, numbered, calls, locate, gone, place, lanes, counters, notice, ring, rouse, suspended, recordings

local answer = recalled()
if answer then
  return answer
end

local id, name, marked = ARGV[2], ARGV[3], ARGV[3] .. '\n' .. ARGV[5] .. '\31'
local signals = key('signals:' .. id)

local function is_end(signal)
  return string.sub(signal, 1, #CHILD_SIGNAL) == CHILD_SIGNAL
end

-- The number of signals of the same kind (about ends of children, or all others) that the job has, and the
-- bytes of their texts; nothing if the job already has a signal with this name and key.
local function kept()
  local count, bytes = 0, 0
  for _, known in ipairs(redis.call('LRANGE', signals, 0, -1)) do
    if ARGV[5] ~= '' and string.sub(known, 1, #marked) == marked then
      return nil
    elseif is_end(known) == is_end(name) then
      count, bytes = count + 1, bytes + #known - (string.find(known, '\31', 1, true) or 0)
    end
  end
  return count, bytes
end

-- The text to keep for the new signal (`store/contract/rules/signal-room.ts`); nothing if the job has no room
-- for the signal.
local function text_to_keep(count, bytes)
  local text = ARGV[4]
  if is_end(name) then
    return ARGV[7] ~= '' and bytes + #text > MAX_CHILD_BYTES and ARGV[7] or text
  end
  return count < MAX_SIGNALS and bytes + #text <= MAX_SIGNAL_BYTES and text or nil
end

-- Makes a pending job due if it waits for the signal.
local function wake(priority, place)
  local reason = redis.call('HGET', key('reasons'), id) or ''
  if is_suspended(id, (counted(id))) and string.find(reason, '\29' .. name .. '\29', 1, true) then
    leave(id, priority, place)
    put(id, priority, now)
    if made.lanes then
      lanes().reposition_all()
    end
    rouse(ring(1))
  end
end

local function keep()
  local state, _, priority, place = locate(id)
  if not state and (ARGV[6] == '' or gone(id)) then
    return 'missing'
  elseif state == 'completed' or state == 'failed' or state == 'cancelled' then
    return 'ended'
  end
  local count, bytes = kept()
  if not count then
    return 'known'
  end
  local text = text_to_keep(count, bytes)
  if not text then
    return 'full'
  end
  recordings().open_journal(id)
  redis.call('RPUSH', signals, marked .. text)
  if not state then
    redis.call('ZADD', key('early'), 'NX', string.format('%.0f', now + EARLY_MEMORY), id)
    return 'early'
  elseif state == 'active' then
    notify_holder(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'), id)
  elseif state == 'delayed' then
    wake(priority, place)
  end
  return 'kept'
end

local verdict = keep()
if verdict == 'kept' or verdict == 'early' then
  remember(verdict)
end
return verdict
