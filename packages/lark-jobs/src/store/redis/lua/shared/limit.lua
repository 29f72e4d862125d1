-- The limits of a partition, as a claimer states them: `concurrency|kind|limit|per|burst`, '' where there is none.
--   rate    HASH  at, count: what began in the window that began then; at, tokens: what a bucket had then
--   starts  LIST  when the last jobs began, the latest first: as many as may within the time
local rates = {}

-- Each of these: how many may begin now, milliseconds until the next may, and what notes that so many have.
function rates.window(most, per)
  local at = now - now % per
  local known = redis.call('HMGET', key('rate'), 'at', 'count')
  local count = tonumber(known[1]) == at and tonumber(known[2]) or 0
  return most - count, at + per - now, function(begun)
    redis.call('HSET', key('rate'), 'at', at, 'count', count + begun)
  end
end

function rates.bucket(most, per, burst)
  local known = redis.call('HMGET', key('rate'), 'at', 'tokens')
  local tokens = burst
  if known[1] and known[2] then
    tokens = math.min(burst, tonumber(known[2]) + math.max(0, now - tonumber(known[1])) * most / per)
  end
  return math.floor(tokens), math.ceil((1 - tokens % 1) * per / most), function(begun)
    redis.call('HSET', key('rate'), 'at', now, 'tokens', string.format('%.6f', tokens - begun))
  end
end

function rates.sliding(most, per, _, wanted)
  local oldest = redis.call('LRANGE', key('starts'), -wanted - 1, -1)
  local over = 0
  while #oldest > 0 and tonumber(oldest[#oldest]) <= now - per do
    oldest[#oldest], over = nil, over + 1
  end
  if over > 0 then
    redis.call('RPOP', key('starts'), over)
  end
  local wait = oldest[1] and tonumber(oldest[#oldest]) + per - now or 0
  return most - redis.call('LLEN', key('starts')), wait, function(begun)
    if begun > 0 then
      local starts = {}
      for i = 1, begun do
        starts[i] = now
      end
      redis.call('LPUSH', key('starts'), unpack(starts))
    end
  end
end

-- How many of `wanted` may be claimed now; milliseconds until more may, or -1 when that is once one ends; and what notes
-- how many were.
local function permits(limits, wanted)
  local concurrency, kind, most, per, burst = string.match(limits, '^(%d*)|(%a*)|(%d*)|(%d*)|(%d*)$')
  local free, wait, note = wanted, -1, nil
  if concurrency ~= '' then
    free = math.min(free, tonumber(concurrency) - math.max(redis.call('HLEN', key('holders')) - 1, 0))
  end
  if kind ~= '' then
    local count, next_one, begin = rates[kind](tonumber(most), tonumber(per), tonumber(burst), wanted)
    note = begin
    if count <= free then
      free, wait = count, next_one
    end
  end
  return math.max(free, 0), wait, note
end
