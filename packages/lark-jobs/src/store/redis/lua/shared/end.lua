-- Ends jobs, and removes ended jobs.
-- needs: start
-- gives: forget, trim, finish

local function forget(ids)
  if #ids == 0 then
    return
  end
  redis.call('HDEL', key('jobs'), unpack(ids))
  local rest = {
    key('counters'), key('errors'), key('logs'), key('results'), key('reasons'), key('direct'), key('locks'),
    key('hooked'),
  }
  if redis.call('EXISTS', key('payloads'), unpack(rest)) > 0 then
    local locks = redis.call('EXISTS', key('locks')) == 1 and redis.call('HMGET', key('locks'), unpack(ids)) or {}
    for i, lock in ipairs(locks) do
      local name = lock and string.match(lock, '|(.*)$')
      if name and redis.call('HGET', key('lockers'), name) == ids[i] then
        redis.call('HDEL', key('lockers'), name)
      end
    end
    redis.call('ZREM', key('endings'), unpack(ids))
    for _, name in ipairs(rest) do
      redis.call('HDEL', name, unpack(ids))
    end
    if redis.call('HDEL', key('payloads'), unpack(ids)) > 0 and redis.call('EXISTS', key('payloads')) == 0
      and redis.call('HGET', key('settings'), 'large') == '1' then
      redis.call('HDEL', key('settings'), 'large')
    end
  end
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

-- Ends jobs that have left their lines and claims.
local function finish(state, ids, kept)
  if kept == 0 then
    return forget(ids)
  elseif #ids > 0 then
    -- As text, because the server would convert a number again for each job.
    local scored, at = {}, string.format('%.0f', now)
    for i = 1, #ids do
      scored[2 * i - 1], scored[2 * i] = at, ids[i]
    end
    redis.call('ZADD', key(state), unpack(scored))
    trim(state, kept, #ids)
  end
end
