-- restore: puts back ended jobs that were removed.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  how many failed jobs are kept (failed-jobs.lua)
-- ARGV[3…] four values for each job: its id; its record with the payload; its state; and, separated by RS:
--          when it ended, its counters, errors, result, progress and reason. All of these except the time may
--          be ''
-- Returns  a letter for each job: d(one), e(xists)
-- Cost     O(n log m) for n jobs and m ended jobs
-- needs: start, numbered, calls, payloads, retain, failed_jobs

local answer = recalled()
if answer then
  return answer
end

local verdicts, kept = {}, read_kept(ARGV[2])
for i = 3, #ARGV, 4 do
  local id, record, state = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local is_new = redis.call('HEXISTS', key('jobs'), id) == 0
  if is_new then
    local at, counters, errors, result, progress, reason =
      string.match(ARGV[i + 3], '^([^\30]*)\30([^\30]*)\30([^\30]*)\30([^\30]*)\30([^\30]*)\30(.*)$')
    payloads().change_record(id, '', record)
    for name, text in pairs({ counters = counters, errors = errors, results = result, progress = progress, reasons = reason }) do
      if text ~= '' then
        redis.call('HSET', key(name), id, text)
      end
    end
    redis.call('ZADD', key(state), at, id)
    if state == 'failed' and type(kept) == 'string' then
      failed_jobs().note_failed({ id }, tonumber(at), {}, kept)
    end
  end
  verdicts[#verdicts + 1] = is_new and 'd' or 'e'
end
local all = table.concat(verdicts)
if string.find(all, 'd', 1, true) then
  remember(all)
end
return all
