-- The pending jobs that have failed, and the pending jobs that no worker could read. `retrying` is a SET of
-- the jobs that have failed and wait for a retry. `stranded` and `stranded-due` are ZSETs of the jobs that no
-- worker could read: since when each job has been waiting, and until when it is delayed. The field of a
-- stranded job in `reasons` also says since when the job has been waiting, and keeps this time while a worker
-- holds the job.
-- needs: start, counters, suspended
-- gives: stranded_since, note_stranded, note_retrying, leave_retrying

-- Since when a stranded job has been waiting; nothing if its last run did not put the job back as unreadable.
-- `runs`: how many runs the job has had.
local function stranded_since(id, runs)
  local number, since = string.match(redis.call('HGET', key('reasons'), id) or '', '^(%d+)|\30(%d+)|')
  return tonumber(number) == runs and since
end

-- Called when a job goes back to its line. Notes the job as stranded if its last run could not read it.
local function note_stranded(id, runs, due)
  local since = stranded_since(id, runs)
  if since then
    redis.call('ZADD', key('stranded'), since, id)
    redis.call('ZADD', key('stranded-due'), string.format('%.0f', due), id)
  end
end

-- Called when a job goes back to its line. Notes the job as retrying if it has failed. `failures`: how often
-- the job has failed; nothing if the claim of the job did not count as a run. A job whose claim did not count
-- becomes stranded or suspended again, if it was stranded or suspended before the claim. `due`: when the job
-- is due; nothing if only failures are noted.
local function note_retrying(id, failures, due)
  local before = failures
  if not failures then
    local runs, failed, _, releases = counted(id)
    before = failed
    if due and releases > 0 then
      note_stranded(id, runs, due)
    end
    if due and runs > 0 then
      note_suspended(id, runs)
    end
  end
  if before > 0 then
    redis.call('SADD', key('retrying'), id)
  end
end

-- Notes that jobs have left their lines, so they are no longer retrying or stranded. `counters`: the counters
-- of these jobs, or nothing if no job of the partition has counters.
local function leave_retrying(ids, counters)
  local failed, released = {}, {}
  for i, text in ipairs(counters or {}) do
    if text and not string.find(text, '^%d+,0,') then
      failed[#failed + 1] = ids[i]
    end
    if text and not string.find(text, ',0$') then
      released[#released + 1] = ids[i]
    end
  end
  if #released > 0 and redis.call('ZREM', key('stranded'), unpack(released)) > 0 then
    redis.call('ZREM', key('stranded-due'), unpack(released))
  end
  if #failed > 0 then
    redis.call('SREM', key('retrying'), unpack(failed))
  end
end
