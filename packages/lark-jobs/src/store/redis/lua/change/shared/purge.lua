-- Removes a job with all its traces.
-- needs: start, place, gone, revoked, watching, schedules, erase, effects, event
-- gives: purge_job

-- `state`: nothing for a hidden job (effect.lua). `is_elsewhere`: the job was moved, and only what this
-- partition still keeps of it is removed.
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
