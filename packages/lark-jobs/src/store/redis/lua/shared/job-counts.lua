-- The numbers of jobs. New state: add its count.
-- needs: start, line
-- gives: pending, job_counts

-- The number of waiting jobs, and the number of delayed jobs.
local function pending()
  local waiting, delayed = 0, 0
  for _, priority in ipairs(lines()) do
    local due = line('due', priority)
    local fallen = redis.call('ZCOUNT', due, '-inf', now)
    local listed = redis.call('LLEN', line('line', priority)) - redis.call('SCARD', line('void', priority))
    waiting, delayed = waiting + fallen + listed, delayed + redis.call('ZCARD', due) - fallen
  end
  local fallen = redis.call('ZCOUNT', key('laned'), '-inf', now)
  return waiting + fallen, delayed + redis.call('ZCARD', key('laned')) - fallen
end

-- The number of jobs in each state: waiting, delayed, active, completed, failed, cancelled.
local function job_counts()
  local waiting, delayed = pending()
  local counts = { waiting, delayed, math.max(redis.call('HLEN', key('holders')) - 1, 0) }
  local are_kept = redis.call('EXISTS', key('kept')) == 1
  for _, state in ipairs(ENDED_STATES) do
    counts[#counts + 1] = redis.call('ZCARD', key(state)) + (are_kept and redis.call('ZCARD', key('kept:' .. state)) or 0)
  end
  return counts
end
