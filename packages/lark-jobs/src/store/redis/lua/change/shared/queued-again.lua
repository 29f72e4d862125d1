-- Takes jobs out of their ended states, for changes that queue them again.
-- needs: start, line, lease, keeping, failed_jobs, effects, admission, last_tokens
-- gives: leave_state, queue_again

-- Takes a job out of its ended state. `place`: `kept:` for a job with an age of its own, as locate.lua
-- returns it.
local function leave_state(id, state, place)
  if place then
    keeping().let_go(state, { id })
  else
    redis.call('ZREM', key(state), id)
    if state == 'failed' then
      failed_jobs().forget_failed({ id })
    end
  end
end

-- Takes a job out of its ended state, and gives it its lock. The caller then puts the job into its line.
-- `runs`: how many times the job has been started. Returns the new `queuedAt` of the job, or nothing if
-- another job holds the lock.
local function queue_again(id, state, record, place, runs)
  local rest = string.match(record, '^-?%d+(.*)$')
  local till, _, name = admission().read_lock(redis.call('HGET', key('locks'), id) or '')
  if not rest or name and admission().locker(name) then
    return
  end
  leave_state(id, state, place)
  if redis.call('HEXISTS', key('keeps'), id) == 1 then
    redis.call('ZREM', key('kept-logs'), id)
  end
  if redis.call('HDEL', key('ended'), id) == 1 then
    effects().withdraw(id)
  end
  redis.call('HDEL', key('results'), id)
  redis.call('HDEL', key('reasons'), id)
  if crash_limit(record) > 1 then
    redis.call('HDEL', key('direct'), id)
  else
    last_tokens().settles_no_more({ id })
  end
  if name then
    admission().take_lock(id, till, name, runs)
  end
  -- A flow distinguishes the starts of a member by their `queuedAt`. So each start has a later `queuedAt`,
  -- even within one millisecond.
  local queued_at = math.max(now, queued(id, record) + 1)
  redis.call('HSET', key('jobs'), id, string.format('%.0f', queued_at - made_at(id)) .. rest)
  return queued_at
end
