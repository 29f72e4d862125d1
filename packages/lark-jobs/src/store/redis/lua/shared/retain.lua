-- Which ended jobs are kept: removes those that retention or a person removes. A job whose effects are not acknowledged
-- is hidden instead (effect.lua).
-- needs: start, erase, effects
-- gives: forget, trim

-- Removes jobs that are in no line, claim or state any more.
local function forget(ids)
  if #ids == 0 then
    return
  end
  if redis.call('EXISTS', key('ended'), key('payloads'), key('keeps'), unpack(extras())) == 0 then
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

-- Removes the oldest jobs of a state beyond `kept`: as many as `added` jobs made too many, and up to 1,000 more.
local function trim(state, kept, added)
  local excess = math.min(redis.call('ZCARD', key(state)) - kept, added + MAX_ITEMS)
  if excess > 0 then
    local oldest = redis.call('ZRANGE', key(state), 0, excess - 1)
    redis.call('ZREMRANGEBYRANK', key(state), 0, excess - 1)
    forget(oldest)
  end
end
