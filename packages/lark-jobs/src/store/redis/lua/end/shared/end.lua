-- Ends jobs: the only way into an ended state. The state and the effects (effect.lua) are written in one
-- step.
-- needs: start, suspended, retain, failed_jobs, effects, counting, watching, keeping, event, schedules
-- gives: end_as, ends

-- What this call knows about the jobs that it ends. `watched`: when the last watch of the partition runs out
-- (watching.lua), or '' if there is no watch; nothing if this call has not read it yet. `keeps`: whether some
-- jobs have an age of their own (keeping.lua). `takes`: whether the answer hands out members. `took`: how
-- many milliseconds runs took, by id, or nothing. `calls`: whether a flow has become due. `kinds`: the kinds
-- of the failed jobs, by id, or nothing.
local ends = {}

-- Ends jobs. The caller has taken these jobs out of their lines and claims. `kept`: how many jobs of this
-- state are kept. `how`: `untold` if no worker has called the hook of the class yet, so that an effect is
-- needed; `removed` if a person removes the jobs.
local function end_as(state, ids, kept, how)
  if #ids == 0 then
    return
  end
  if state == 'cancelled' then
    -- The jobs may have waited for a retry, may have been unreadable, or may have been suspended.
    redis.call('SREM', key('retrying'), unpack(ids))
    if redis.call('ZREM', key('stranded'), unpack(ids)) > 0 then
      redis.call('ZREM', key('stranded-due'), unpack(ids))
    end
    leave_suspended(ids)
  end
  local is_hooked = how == 'untold' and redis.call('EXISTS', key('hooked')) == 1
  -- Only ids of members of flows and of jobs of ticks have a colon, so one search shows whether a batch has
  -- such jobs.
  local all = table.concat(ids)
  local is_special = string.find(all, ':', 1, true)
  local calls, bundled, away
  if is_special then
    calls, bundled, away = counting().count_at_home(state, ids, how)
    ends.calls = ends.calls or calls
  end
  if bundled then
    effects().write_bundles(bundled, ends.takes)
  end
  if is_hooked or away then
    effects().write_effects(state, ids, how, ends.takes, away or {})
  end
  if is_special and string.find(all, '@', 1, true) then
    schedules().note_runs(state, ids, ends.took or {})
  end
  if not ends.watched then
    ends.watched, ends.keeps, audience.till = unpack(redis.call('HMGET', key('settings'), 'watched', 'keeps', 'listened'))
    ends.watched = ends.watched or ''
    audience.till = audience.till or ''
  end
  if ends.watched ~= '' then
    watching().ring_watchers(ends.watched, state, ids, how)
  end
  tell(how == 'removed' and how or state, ids)
  if ends.keeps and how ~= 'removed' or is_special and state == 'failed' then
    ids = keeping().keep_some(state, ids)
  end
  if #ids == 0 then
    return
  end
  if kept == 0 then
    if how ~= 'removed' then
      keeping().remember_unkept(state, ids)
    end
    return forget(ids)
  end
  -- The time is converted to text once, because the server would convert a number again for each job.
  local scored, at = {}, string.format('%.0f', now)
  for i = 1, #ids do
    scored[2 * i - 1], scored[2 * i] = at, ids[i]
  end
  redis.call('ZADD', key(state), unpack(scored))
  if type(kept) == 'string' then
    failed_jobs().note_failed(ids, now, ends.kinds or {}, kept)
  end
  trim(state, kept, #ids)
end
