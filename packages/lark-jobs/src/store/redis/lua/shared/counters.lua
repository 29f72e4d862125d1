-- The counters of a job: `runs,failures,crashes,releases`, absent while all are 0. A run that goes on, or that
-- completed the job, is not counted here: the state of the job shows it.
-- `retrying` is a SET of the jobs that have failed and wait for their next try.
-- needs: start
-- gives: counted, count, counters_of, note_retrying, leave_retrying
local function counted(id)
  local counters = redis.call('HGET', key('counters'), id)
  local runs, failures, crashes, releases = string.match(counters or '', '^(%d+),(%d+),(%d+),(%d+)$')
  if not runs then
    return 0, 0, 0, 0
  end
  return tonumber(runs), tonumber(failures), tonumber(crashes), tonumber(releases)
end

local function count(id, runs, failures, crashes, releases)
  if runs + failures + crashes + releases == 0 then
    redis.call('HDEL', key('counters'), id)
  else
    redis.call('HSET', key('counters'), id, table.concat({ runs, failures, crashes, releases }, ','))
  end
end

-- The stored counters of many jobs; false if no job of the partition has counters.
local function counters_of(ids)
  return #ids > 0 and redis.call('EXISTS', key('counters')) == 1 and redis.call('HMGET', key('counters'), unpack(ids))
end

-- Notes that a job goes back to its line, if it has failed. `failures`: how often, if the caller knows.
local function note_retrying(id, failures)
  local _, before = nil, failures
  if not failures then
    _, before = counted(id)
  end
  if before > 0 then
    redis.call('SADD', key('retrying'), id)
  end
end

-- Notes that jobs have left their line. `counters`: theirs, or nothing if no job has counters.
local function leave_retrying(ids, counters)
  local failed = {}
  for i, text in ipairs(counters or {}) do
    if text and not string.find(text, '^%d+,0,') then
      failed[#failed + 1] = ids[i]
    end
  end
  if #failed > 0 then
    redis.call('SREM', key('retrying'), unpack(failed))
  end
end
