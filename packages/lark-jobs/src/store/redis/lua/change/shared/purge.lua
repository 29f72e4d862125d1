-- Removes a job and everything else that the partition keeps about the job.
-- needs: start, place, gone, revoked, watching, schedules, erase, effects, event
-- gives: purge_job

-- `state`: the state of the job, or nothing for a hidden job (effect.lua). `is_elsewhere`: the job has moved
-- to another partition, so only the data that this partition still keeps about it is removed.
local function purge_job(id, state, priority, place, is_elsewhere)
  local where = gone(id)
  if where and not is_elsewhere then
    return 'm'
  elseif state == 'active' then
    return 'r'
  end
  revoke_put(id, redis.call('HGET', key('jobs'), id))
  if state and state ~= 'completed' and state ~= 'failed' and state ~= 'cancelled' then
    leave(id, priority, place)
    redis.call('ZREM', key('stranded'), id)
    redis.call('ZREM', key('stranded-due'), id)
    watching().unwatch({ id })
    schedules().note_runs('cancelled', { id }, {})
  end
  forget_traces(id)
  if not state and redis.call('HEXISTS', key('ended'), id) == 0 then
    return 'm'
  end
  effects().purge(id)
  tell('removed', state and { id } or {})
  return where == 'moved' and 'm' or 'd'
end
