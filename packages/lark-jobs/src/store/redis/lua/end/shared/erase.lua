-- Removes all data of jobs.
-- needs: start, suspended, journaled
-- gives: extras, drop_payloads, drop_journals, forget_traces, erase

-- Returns the hashes that may have a field for a job, except the hashes that `erase` handles separately.
local function extras()
  return {
    key('counters'), key('errors'), key('logs'), key('results'), key('reasons'), key('direct'), key('locks'),
    key('hooked'), key('progress'),
  }
end

-- Removes payloads that are stored separately from the records of their jobs.
local function drop_payloads(ids)
  if redis.call('HDEL', key('payloads'), unpack(ids)) > 0 and redis.call('EXISTS', key('payloads')) == 0
    and redis.call('HGET', key('settings'), 'large') == '1' then
    redis.call('HDEL', key('settings'), 'large')
  end
end

-- Removes the journals and the signals of jobs.
local function drop_journals(ids)
  if #ids == 0 or not has_journals() then
    return
  end
  local steps, signals = {}, {}
  for i, id in ipairs(ids) do
    steps[i] = key('steps:' .. id)
  end
  -- Most jobs have no journal, so one command removes the journals of all of them.
  local count = redis.call('DEL', unpack(steps))
  if count == 0 then
    return
  end
  for i, id in ipairs(ids) do
    signals[i] = key('signals:' .. id)
  end
  redis.call('DEL', unpack(signals))
  redis.call('HDEL', key('undos'), unpack(ids))
  redis.call('HDEL', key('rests'), unpack(ids))
  if redis.call('HINCRBY', key('settings'), 'journals', -count) <= 0 then
    redis.call('HDEL', key('settings'), 'journals')
  end
end

-- Removes the throttle and the doubt of a purged job, because the name of a lock and an id may contain
-- personal data.
local function forget_traces(id)
  local name = string.match(redis.call('HGET', key('locks'), id) or '', '|(.*)$')
  if name and redis.call('HGET', key('throttlers'), name) == id then
    redis.call('HDEL', key('throttlers'), name)
    redis.call('ZREM', key('throttles'), name)
  end
  redis.call('ZREM', key('doubts'), id)
end

local function erase(ids)
  if #ids == 0 then
    return
  end
  redis.call('HDEL', key('jobs'), unpack(ids))
  redis.call('SREM', key('retrying'), unpack(ids))
  leave_suspended(ids)
  drop_journals(ids)
  local locks = redis.call('EXISTS', key('locks')) == 1 and redis.call('HMGET', key('locks'), unpack(ids)) or {}
  for i, lock in ipairs(locks) do
    local name = lock and string.match(lock, '|(.*)$')
    if name and redis.call('HGET', key('lockers'), name) == ids[i] then
      redis.call('HDEL', key('lockers'), name)
    end
  end
  for _, name in ipairs(extras()) do
    redis.call('HDEL', name, unpack(ids))
  end
  drop_payloads(ids)
  if redis.call('HDEL', key('keeps'), unpack(ids)) > 0 then
    redis.call('ZREM', key('kept-logs'), unpack(ids))
    if redis.call('EXISTS', key('relayed')) == 1 then
      local till, relayed = string.format('%.0f', now + RELAYED_MEMORY), {}
      for i, id in ipairs(ids) do
        relayed[2 * i - 1], relayed[2 * i] = till, id
      end
      redis.call('ZADD', key('relayed'), 'XX', unpack(relayed))
    end
    if redis.call('EXISTS', key('keeps')) == 0 then
      redis.call('HDEL', key('settings'), 'keeps')
    end
  end
end
