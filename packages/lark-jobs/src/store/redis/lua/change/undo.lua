-- undo: takes back a retry, a cancel or a change of a due time. Each job gets its former state, unless it has
-- begun since.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. The three arguments of
--          the call (numbered.lua) come next, and are not counted below
-- ARGV[2]  how many completed, failed and cancelled jobs are kept, separated by commas
-- ARGV[3…] three values for each job: its id; its runs and when it was edited, separated by a space; and its
--          former state. The former state has these parts, separated by RS, each '' if there is none: the
--          state, the milliseconds from the making of its id until it was queued, when it ended or was due,
--          its counters, result, progress, and reason. In place of the reason, `s` means that the job was
--          suspended, and `u` that it was being undone
-- Returns  a letter for each job: d(one), m(issing), r(efused)
-- Cost     O(n log m) for n jobs among m delayed or ended jobs
-- needs: start, numbered, calls, place, lanes, counters, end, retain, locate, options, ring, rouse, moved-waits
-- needs: event, retrying, undoing, queued-again

local answer = recalled()
if answer then
  return answer
end

-- This write comes first: it takes no memory, so a full server allows it, and then the whole script.
redis.call('HDEL', key('ended'), '')
local kept = {}
kept.completed, kept.failed, kept.cancelled = string.match(ARGV[2], '^(%d+),([%d;]+),(%d+)$')
local ended = { completed = {}, failed = {}, cancelled = {}, crashed = {} }
local ends_at = {}
local rings = 0

local function set(name, id, text)
  if text ~= '' then
    redis.call('HSET', key(name), id, text)
  end
end

-- Gives a job its former due time.
local function put_at(id, priority, due)
  if put(id, priority, due) or due <= now then
    rings = rings + 1
  end
  return 'd'
end

-- Lets a cancelled job go on that no run has begun to undo.
local function undo_no_more(id, counters)
  redis.call('HSET', key('undos'), id, '')
  redis.call('HDEL', key('reasons'), id)
  redis.call('HDEL', key('counters'), id)
  set('counters', id, counters)
  local _, failures = counted(id)
  note_retrying(id, failures)
end

local function undo(id, version, was)
  local state, record, priority, place = locate(id)
  local is_pending = state == 'waiting' or state == 'delayed'
  if not state then
    return 'm'
  elseif not is_pending and state ~= 'cancelled' then
    return 'r'
  end
  local _, values = options().options_of(record)
  local rest = string.match(record, '^-?%d+(.*)$')
  if not rest or version ~= counted(id) .. ' ' .. (values.editedAt or '') then
    return 'r'
  end
  local before, after, at, counters, result, progress, reason =
    string.match(was, '^([^\30]*)\30([^\30]*)\30([^\30]*)\30([^\30]*)\30([^\30]*)\30([^\30]*)\30(.*)$')
  local was_pending = before == 'delayed' or before == 'waiting'
  -- A job that was suspended when it was cancelled is due now: its handler comes to the same wait again.
  local due = reason == 's' and now or tonumber(at)
  if not is_pending then
    local runs, failures = counted(id)
    if not was_pending or not queue_again(id, state, record, place, runs) then
      return 'r'
    end
    note_retrying(id, failures)
    tell('queued', { id })
    return put_at(id, priority, due)
  elseif was_pending then
    leave(id, priority, place)
    if string.find(undo_of(id) or '', '^c') and reason ~= 'u' then
      undo_no_more(id, counters)
      return put_at(id, priority, due)
    end
    move_waits(id, tonumber(at))
    return put_at(id, priority, tonumber(at))
  elseif not kept[before] or ends_at[id] then
    return 'r'
  end
  leave(id, priority, place)
  redis.call('HSET', key('jobs'), id, after .. rest)
  redis.call('HDEL', key('counters'), id)
  set('counters', id, counters)
  set('results', id, result)
  set('progress', id, progress)
  set('reasons', id, reason)
  local has_crashed = before == 'failed' and counters ~= '' and not string.find(counters, ',0,%d+$')
  local ids = ended[has_crashed and 'crashed' or before]
  ids[#ids + 1], ends_at[id] = id, at
  return 'd'
end

local verdicts = {}
for i = 3, #ARGV, 3 do
  verdicts[#verdicts + 1] = undo(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
for _, name in ipairs({ 'completed', 'failed', 'crashed', 'cancelled' }) do
  local state, ids = name == 'crashed' and 'failed' or name, ended[name]
  -- Ends the job with its effects, because its class may not know yet that the job had ended: the retry has
  -- withdrawn these effects.
  end_as(state, ids, read_kept(kept[state]), (name == 'crashed' or name == 'cancelled') and 'untold' or nil)
  for _, id in ipairs(ids) do
    redis.call('ZADD', key(state), 'XX', ends_at[id], id)
    redis.call('ZADD', key('kept:' .. state), 'XX', ends_at[id], id)
    -- An effect has the time of the end to which it belongs, so the former time is restored.
    if redis.call('HEXISTS', key('ended'), id) == 1 then
      redis.call('HSET', key('ended'), id, state .. '|' .. ends_at[id])
    end
  end
end
if made.lanes then
  lanes().reposition_all()
  -- When these jobs leave their lanes, the next jobs of the lanes may begin, so callers are rung for them.
  rings = math.max(rings, #verdicts)
end
rouse(ring(rings))
local all = table.concat(verdicts)
if string.find(all, 'd', 1, true) then
  remember(all)
end
return all
