-- schedule-write: writes each schedule whose revision number is still the number that the writer has read,
-- and queues the jobs of the written schedules.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  a random number: the amount by which the revision numbers rise
-- ARGV[3]  the bound of the partition (see enqueue.lua), or ''
-- ARGV[4…] for each write: the id of the schedule; the revision number that the writer has read; when the
--          schedule is due, or '', or `x` to remove it; its state; `=` and its definition, or '' to leave it
--          unchanged; the number of arguments for its jobs, and these arguments (see enqueue.lua). In these
--          arguments, a delay may also be `@` and the time at which the jobs are due, or `=` and this time if
--          no caller is to be rung for the jobs
-- Returns  three values, separated by `|`: for each write, separated by commas, the new revision number, or 0
--          if the schedule was removed, or '' if it was not written; milliseconds until a schedule or a flow
--          is due, or -1; the verdicts for the jobs of the schedules that were written, in the form of
--          enqueue.lua
-- Cost     O(n log m) for n of m schedules, and the cost of their jobs
-- needs: start, numbered, calls, ticks, schedules, queue, intake, end, written

local answer = recalled()
if answer then
  return answer
end

local COMMON = { 'priority', 'delay', 'own', 'hooked', 'direct', 'keep', 'limits', 'lock', 'is_expected' }
local writes, ids, at = {}, {}, 4
while ARGV[at] do
  local from = at + 6
  local to = from - 1 + tonumber(ARGV[at + 5])
  ids[#ids + 1] = ARGV[at]
  writes[#writes + 1] = {
    id = ARGV[at], read = ARGV[at + 1], due = ARGV[at + 2], state = ARGV[at + 3], definition = ARGV[at + 4],
    from = from, to = to,
  }
  at = to + 1
end

-- Decides which writes are made, because one call may have several writes for one schedule. A new revision
-- number is at least the present time plus a random amount. So no schedule gets the same number twice, even
-- if the schedule was removed and created again, or if the server has lost its last writes.
local numbers, batch, answers, changed, grows = {}, new_batch(), {}, {}, false
for i, state in ipairs(#ids > 0 and redis.call('HMGET', key('schedule-states'), unpack(ids)) or {}) do
  numbers[ids[i]] = schedules().number_of(state)
end
for i, each in ipairs(writes) do
  answers[i] = ''
  if numbers[each.id] == each.read then
    local number = each.due == 'x' and '0' or string.format('%.0f', math.max(tonumber(each.read), now) + ARGV[2])
    numbers[each.id], each.number, answers[i], changed[#changed + 1] = number, number, number, each
    read_runs(batch, each.from, each.to)
    grows = grows or each.definition ~= ''
  end
end
if #batch.ids == 0 and not grows then
  -- A server whose memory is full allows this write, because the write takes no memory, and then also all
  -- other writes of the script. So schedules can be paused and resumed on a full server: such a call brings
  -- no jobs and no definitions.
  redis.call('ZREM', key('ticks'), '')
end

-- Converts due times to delays, and joins neighbouring series of similar jobs into one series. The jobs of
-- many schedules are mostly similar. A series of a hundred jobs takes one command, and a hundred series take
-- a hundred.
local function join_runs(runs)
  local joined, last = {}, nil
  for _, run in ipairs(runs) do
    local mark, due = string.match(run.delay, '^([@=])(%d+)$')
    if mark then
      run.is_expected = mark == '='
      run.delay = tonumber(due) > now and tonumber(due) - now or ''
    end
    local is_alike = last ~= nil
    for _, name in ipairs(COMMON) do
      is_alike = is_alike and last[name] == run[name]
    end
    if is_alike then
      last.last = run.last
      for _, id in ipairs(run.list) do
        last.list[#last.list + 1] = id
      end
    else
      joined[#joined + 1], last = run, run
    end
  end
  return joined
end

local function apply(each)
  local id = each.id
  if each.due == 'x' then
    for _, name in ipairs({ 'schedules', 'schedule-states', 'schedule-runs' }) do
      redis.call('HDEL', key(name), id)
    end
  else
    redis.call('HSET', key('schedule-states'), id, each.number .. '|' .. each.state)
    if each.definition ~= '' then
      redis.call('HSET', key('schedules'), id, string.sub(each.definition, 2))
      redis.call('HSETNX', key('schedule-runs'), id, '')
    end
  end
  if each.due == '' or each.due == 'x' then
    redis.call('ZREM', key('ticks'), id)
  else
    redis.call('ZADD', key('ticks'), each.due, id)
  end
end

-- Adds a run to the schedule of each tick whose job was not queued.
local function note_rejected(verdicts)
  local rejected = {}
  for i, id in ipairs(batch.ids) do
    rejected[#rejected + 1] = not string.find(string.sub(verdicts, i, i), '[qex]') and id or nil
  end
  schedules().note_runs('rejected', rejected, {})
end

-- The jobs are queued before the schedules are written. If foreign data ends the script between these two
-- writes, the tick has its job, and the schedule stays due. In the other order, the job of a tick could be
-- lost.
local flags = ticks().flags_of_ticks()
local before, verdicts, rings = ticks().next_tick(flags), '', 0
if #batch.ids > 0 then
  batch.runs = join_runs(batch.runs)
  local max, kept = string.match(ARGV[3], '^b(%d+)|(%d*)$')
  verdicts, rings = queue_all(batch, max, kept)
end
-- To make room, the call may have dropped members of flows, and their ends may have made a flow due.
flags.flows = flags.flows or ends.calls
for _, each in ipairs(changed) do
  apply(each)
end
if verdicts ~= '' then
  note_rejected(verdicts)
end
local all = table.concat({ table.concat(answers, ','), written(flags, 'ticks', before, rings), verdicts }, '|')
if #changed > 0 then
  remember(all)
end
return all
