-- undo: takes back a retry, a cancel or a change of a due time. A job gets its former state, unless it has
-- begun since the change.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  how many completed, failed and cancelled jobs are kept, separated by commas
-- ARGV[3…] three values for each job: its id; its runs and the time of its last edit, separated by a space;
--          and its former state. The former state has these parts, separated by RS, and a missing part is '':
--          the state; the milliseconds between the making of the job's id and the queueing of the job; the
--          time at which the job ended or was due; its counters; its result; its progress; and its reason. In
--          place of the reason, `s` means that the job was suspended, and `u` that a run was undoing its
--          steps
-- Returns  a letter for each job: d(one), m(issing), r(efused)
-- Cost     O(n log m) for n jobs among m delayed or ended jobs
-- needs: start, numbered, calls, place, lanes, counters, end, retain, locate, options, ring, rouse, moved-waits
-- needs: event, retrying, undoing, queued-again

local answer = recalled()
if answer then
  return answer
end

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
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

-- Withdraws a cancel that waited until the steps of the job are undone. The job goes on with its steps.
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
  -- If the job was suspended when it was cancelled, it is due now. The handler of the job then runs and comes
  -- to the same wait again.
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
  -- The retry has withdrawn the effects of the job's first end, so the class may not know of this end. So the
  -- job ends with effects.
  end_as(state, ids, read_kept(kept[state]), (name == 'crashed' or name == 'cancelled') and 'untold' or nil)
  for _, id in ipairs(ids) do
    redis.call('ZADD', key(state), 'XX', ends_at[id], id)
    redis.call('ZADD', key('kept:' .. state), 'XX', ends_at[id], id)
    -- An effect names the time of its job's end, so the entry in `ended` gets the former time of the end,
    -- too.
    if redis.call('HEXISTS', key('ended'), id) == 1 then
      redis.call('HSET', key('ended'), id, state .. '|' .. ends_at[id])
    end
  end
end
if made.lanes then
  lanes().reposition_all()
  -- When these jobs leave their lanes, other jobs of the lanes may begin. So callers are rung for these other
  -- jobs.
  rings = math.max(rings, #verdicts)
end
rouse(ring(rings))
local all = table.concat(verdicts)
if string.find(all, 'd', 1, true) then
  remember(all)
end
return all
