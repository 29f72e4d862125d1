-- What happens to a job that its worker settled with an outcome other than completed.
-- needs: start, line, place, lanes, counters, history, lease, end, ending
-- gives: again, later, outcomes

-- How many callers to ring: for jobs that wait again, and for jobs that are now the next due.
local again, later = 0, 0

-- Puts a job back into its line, unless somebody has asked meanwhile to cancel it.
local function fall_back(id, place, job)
  if job.notice then
    redis.call('HSET', key('reasons'), id, job.notice)
    note_endings({ id })
    return finish('cancelled', { id }, job.kept.cancelled)
  end
  local queued_at, priority = queued(id, redis.call('HGET', key('jobs'), id))
  place = place or queued_at
  local next_one = put(id, priority, place, true)
  if place <= now then
    again = again + 1
  elseif next_one then
    later = later + 1
  end
end

-- A function for each kind of outcome. `job`: its holder field, a notice to cancel it, and how many ended jobs of each
-- state are kept.
local outcomes = {}

-- value: milliseconds until the retry | the error
function outcomes.retried(id, value, job)
  local after, failure = string.match(value, '^(%d+)|(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures + 1, crashes, releases)
  keep_error(id, failure)
  fall_back(id, now + tonumber(after), job)
end

-- value: milliseconds, followed by `g` if its group is paused meanwhile, and by `|` and the reason if there is one
function outcomes.released(id, value, job)
  local after, pauses, because = string.match(value, '^(%d+)(g?)|?(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures, crashes, releases + 1)
  if because ~= '' then
    redis.call('HSET', key('reasons'), id, (runs + 1) .. '|' .. because)
  end
  fall_back(id, now + tonumber(after), job)
  local _, _, _, lane = read_holder(job.holder)
  local group = string.match(lane or '', '^[^^]*')
  if pauses ~= '' and group ~= '' then
    lanes().pause(group, math.max(now + tonumber(after), lanes().paused_until(group)))
  end
end

-- value: milliseconds until it is due, or nothing: then it keeps its place
function outcomes.returned(id, value, job)
  local _, _, place = read_holder(job.holder)
  fall_back(id, value == '' and place or value ~= '' and now + tonumber(value) or nil, job)
end

-- value: the error, with ! in front if `failed()` of the class was not called
function outcomes.failed(id, value, job)
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures + 1, crashes, releases)
  local untold, failure = string.match(value, '^(!?)(.*)$')
  keep_error(id, failure)
  if untold ~= '' then
    note_endings({ id })
  end
  finish('failed', { id }, job.kept.failed)
end

-- value: reason | the error, or nothing
function outcomes.cancelled(id, value, job)
  local reason, failure = string.match(value, '^(.-)|(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures, crashes, releases)
  if failure ~= '' then
    keep_error(id, failure)
  end
  redis.call('HSET', key('reasons'), id, reason)
  finish('cancelled', { id }, job.kept.cancelled)
end
