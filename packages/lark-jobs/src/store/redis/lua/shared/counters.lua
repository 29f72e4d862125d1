-- The counters of a job: `runs,failures,crashes,releases`, absent while all are 0. The counters do not
-- include the present run of an active job, or the last run of a completed job: the state of the job shows
-- that there was this run.
-- needs: start
-- gives: counted, count, counters_of
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

-- The stored counters of several jobs; false if no job of the partition has counters.
local function counters_of(ids)
  return #ids > 0 and redis.call('EXISTS', key('counters')) == 1 and redis.call('HMGET', key('counters'), unpack(ids))
end
