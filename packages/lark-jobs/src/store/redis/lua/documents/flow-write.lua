-- flow-write: writes a flow, if it still has the revision number that the writer has read, and queues the
-- jobs of the flow.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  a random number: the amount by which the revision number rises
-- ARGV[3]  the bound of the partition (see enqueue.lua), or ''
-- ARGV[4]  the id of the flow
-- ARGV[5]  the revision number that the writer has read
-- ARGV[6]  when the flow is due, or '', or `x` to remove the flow
-- ARGV[7]  the state of the flow
-- ARGV[8]  `=` and the definition, or '' to leave it unchanged
-- ARGV[9]  the number of news that the writer has read
-- ARGV[10] `reserved`, or '' to leave it unchanged
-- ARGV[11] `size`, or '' to leave it unchanged
-- ARGV[12] `alarm`, or '' to leave it unchanged
-- ARGV[13…] the jobs of the flow (see enqueue.lua)
-- Returns  three values, separated by `|`: the new revision number, or 0 if the flow was removed, or '' if
--          nothing was written; milliseconds until a schedule or a flow is due, or -1; the verdicts of the
--          jobs, in the form of enqueue.lua
-- Cost     O(log m) for m flows, and the cost of the jobs
-- needs: start, numbered, calls, ticks, flows, queue, intake, written

local answer = recalled()
if answer then
  return answer
end

local id, due = ARGV[4], ARGV[6]
local flow, news, flags = key('flow:' .. id), key('news:' .. id), ticks().flags_of_ticks()
local before = ticks().next_tick(flags)
local rev = redis.call('HGET', flow, 'rev')
-- A damaged flow counts as having the revision number 0, so that a writer can replace the flow.
if (string.match(rev or '', '^%d+$') or '0') ~= ARGV[5] then
  return '|' .. (before or -1) .. '|'
end

-- Whether this write sets a `size` or an `alarm` that the count of members has reached already.
local function is_reached(given, kept, count)
  return given ~= '' and given ~= kept and count >= tonumber(given)
end

local function write(number)
  local called, size, alarm, completed, failed =
    unpack(redis.call('HMGET', flow, 'called', 'size', 'alarm', 'completed', 'failed'))
  local fields = { 'rev', number, 'state', ARGV[7], 'lent', '' }
  for name, given in pairs({ reserved = ARGV[10], size = ARGV[11], alarm = ARGV[12] }) do
    if given ~= '' then
      fields[#fields + 1], fields[#fields + 2] = name, given
    end
  end
  if ARGV[8] ~= '' or not rev then
    fields[#fields + 1], fields[#fields + 2] = 'definition', string.sub(ARGV[8], 2)
  end
  redis.call('HSET', flow, unpack(fields))
  if ARGV[5] == '0' then
    -- Each new flow gets a higher score than all earlier flows, so that flows of the same millisecond keep
    -- their order.
    local last = tonumber(redis.call('ZRANGE', key('flow-ids'), -1, -1, 'WITHSCORES')[2]) or 0
    redis.call('ZADD', key('flow-ids'), string.format('%.3f', math.max(now, last + 0.001)), id)
  end
  if ARGV[9] ~= '0' then
    redis.call('LTRIM', news, ARGV[9], -1)
  end
  failed = tonumber(failed) or 0
  local ended = (tonumber(completed) or 0) + failed
  local is_due = called == '1' or is_reached(ARGV[11], size, ended) or is_reached(ARGV[12], alarm, failed)
    or redis.call('EXISTS', news) == 1
  if is_due and (due == '' or tonumber(due) > now) then
    due = string.format('%.0f', now)
  end
  if due == '' then
    redis.call('ZREM', key('flows'), id)
  else
    redis.call('ZADD', key('flows'), due, id)
  end
end

-- The jobs are queued before the flow is written. If foreign data ends the script between these two writes,
-- the flow becomes due again, and its writer learns that the jobs exist.
local verdicts, rings = '', 0
if #ARGV > 12 then
  local batch, max, kept = new_batch(), string.match(ARGV[3], '^b(%d+)|(%d*)$')
  if max and not rev then
    -- A full partition drops jobs to make room for the new jobs, and a dropped job may be a member of this
    -- flow. So the flow must exist before the jobs are queued, to count the end of this member.
    redis.call('HSET', flow, 'rev', 0)
  end
  read_runs(batch, 13, #ARGV)
  verdicts, rings = queue_all(batch, max, kept)
end
-- The revision number rises in the same way as the revision number of a schedule (schedule-write.lua).
local number = due == 'x' and '0' or string.format('%.0f', math.max(tonumber(ARGV[5]), now) + ARGV[2])
if due == 'x' then
  flows().remove_flow(id)
else
  write(number)
end
local all = table.concat({ number, written(flags, 'flows', before, rings), verdicts }, '|')
remember(all)
return all
