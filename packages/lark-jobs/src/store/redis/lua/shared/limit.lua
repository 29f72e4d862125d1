-- Limits as whoever asks states them: `concurrency|kind|limit|per|burst`, '' where there is none. Of a partition, how many
-- jobs may begin; of a limiter, how many permits are given out. What is known of a rate:
--   rate    HASH  at, count: how many in the window that began then; at, tokens: what a bucket had then
--   starts  LIST  when the last were, the latest first: as many as may be within the time
local rates = {}

-- Each of these: how many there may be now, milliseconds until `each` more, and what notes that so many are.
function rates.window(most, per, _, _, suffix)
  local at = now - now % per
  local known = redis.call('HMGET', key('rate' .. suffix), 'at', 'count')
  local count = tonumber(known[1]) == at and tonumber(known[2]) or 0
  return most - count, at + per - now, function(begun)
    redis.call('HSET', key('rate' .. suffix), 'at', at, 'count', count + begun)
  end
end

function rates.bucket(most, per, burst, _, suffix, each)
  local known = redis.call('HMGET', key('rate' .. suffix), 'at', 'tokens')
  local tokens = burst
  if known[1] and known[2] then
    tokens = math.min(burst, tonumber(known[2]) + math.max(0, now - tonumber(known[1])) * most / per)
  end
  return math.floor(tokens), math.ceil((each - tokens % each) * per / most), function(begun)
    redis.call('HSET', key('rate' .. suffix), 'at', now, 'tokens', string.format('%.6f', tokens - begun))
  end
end

function rates.sliding(most, per, _, wanted, suffix, each)
  local starts = key('starts' .. suffix)
  local oldest = redis.call('LRANGE', starts, -wanted - each, -1)
  local over = 0
  while #oldest > 0 and tonumber(oldest[#oldest]) <= now - per do
    oldest[#oldest], over = nil, over + 1
  end
  if over > 0 then
    redis.call('RPOP', starts, over)
  end
  local free = most - redis.call('LLEN', starts)
  -- Those that must be over before so many more may be, beside what is left when all that may be are.
  local first = oldest[#oldest + 1 - each + free % each]
  return free, first and tonumber(first) + per - now or per, function(begun)
    if begun > 0 then
      local times = {}
      for i = 1, begun do
        times[i] = now
      end
      redis.call('LPUSH', starts, unpack(times))
    end
  end
end

-- How many of `wanted` there may be now; milliseconds until `each` more, or -1 when that is once one ends; and what notes
-- how many there were. `suffix`: of the keys of the rate, where a partition or a limiter has several; default none. What
-- has one goes by itself.
-- `active`: how many there are; default: the jobs of the partition that are active.
local function permits(limits, wanted, suffix, active, each)
  local concurrency, kind, most, per, burst = string.match(limits, '^(%d*)|(%a*)|(%d*)|(%d*)|(%d*)$')
  local free, wait, note = wanted, -1, nil
  if concurrency ~= '' then
    active = active or math.max(redis.call('HLEN', key('holders')) - 1, 0)
    free = math.min(free, tonumber(concurrency) - active)
  end
  if kind ~= '' then
    most, per, burst, suffix = tonumber(most), tonumber(per), tonumber(burst), suffix or ''
    local count, next_one, begin = rates[kind](most, per, burst, wanted, suffix, each or 1)
    note = suffix == '' and begin or function(begun)
      begin(begun)
      local over = math.ceil(per + burst * per / most)
      redis.call('PEXPIRE', key('rate' .. suffix), over)
      redis.call('PEXPIRE', key('starts' .. suffix), over)
    end
    if count <= free then
      free, wait = count, next_one
    end
  end
  return math.max(free, 0), wait, note
end
