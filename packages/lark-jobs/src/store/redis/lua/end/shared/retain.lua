-- Removes ended jobs, because of their retention or because a person removes them. A job with effects that
-- are not acknowledged yet is not removed, but hidden (effect.lua).
-- needs: start, erase, journaled, effects, failed_jobs
-- gives: forget, forget_of, trim, read_kept

-- Removes jobs. The caller has taken these jobs out of their lines, claims or ended states.
local function forget(ids)
  if #ids == 0 then
    return
  end
  local count = redis.call('EXISTS', key('ended'), key('payloads'), key('keeps'), unpack(extras()))
  if count == 0 and not has_journals() then
    redis.call('HDEL', key('jobs'), unpack(ids))
    return
  end
  local ends = redis.call('HMGET', key('ended'), unpack(ids))
  for i = 1, #ids do
    if ends[i] then
      return erase(effects().hide(ids, ends))
    end
  end
  erase(ids)
end

-- Removes ended jobs. The caller has taken these jobs out of the set of their state.
local function forget_of(state, ids)
  if state == 'failed' and #ids > 0 then
    failed_jobs().forget_failed(ids)
  end
  forget(ids)
end

-- Parses the argument that says how many jobs of a state are kept: a number, or for failed jobs a text with
-- more limits (failed-jobs.lua).
local function read_kept(text)
  return tonumber(text) or text
end

-- Removes the oldest jobs of a state until `kept` jobs are left, but at most 1,000 more jobs than were added.
-- `added`: how many jobs this call has added to the state.
local function trim(state, kept, added)
  if type(kept) == 'string' then
    local gone = failed_jobs().next_to_go(kept)
    if #gone > 0 then
      redis.call('ZREM', key(state), unpack(gone))
      forget_of(state, gone)
    end
    return
  end
  local excess = math.min(redis.call('ZCARD', key(state)) - kept, added + MAX_ITEMS)
  if excess > 0 then
    local oldest = redis.call('ZRANGE', key(state), 0, excess - 1)
    redis.call('ZREMRANGEBYRANK', key(state), 0, excess - 1)
    forget_of(state, oldest)
  end
end
