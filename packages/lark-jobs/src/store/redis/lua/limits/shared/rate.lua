-- Computes how many starts the limits of a partition, of a lane or of a limiter allow now. A start is a job
-- that begins, or for a limiter a permit that is granted. Each call states the limits as
-- `concurrency|kind|limit|per|burst`; a missing part is ''. A rate has these keys:
--   rate    HASH  for a window: `at`, when the window began; `count`, the number of its starts. For a bucket:
--                 `at`, a time; `tokens`, the number of tokens at this time; `taken`, how many tokens were
--                 ever taken
--   starts  LIST  for a sliding rate: the times of the last starts, the latest first, at most `limit` of them
-- module: rates
-- needs: start
-- gives: allowed_starts, both
-- covers: RATE_KINDS in kinds
local kinds = {}

-- New kind of rate: add how it counts. Each function in `kinds` returns how many starts are allowed now; the
-- milliseconds until `each` more starts are allowed; and a function that records starts and returns their
-- mark (refund.lua). Only the returned function writes.
function kinds.window(most, per, _, _, suffix)
  local at = now - now % per
  local known = redis.call('HMGET', key('rate' .. suffix), 'at', 'count')
  local count = tonumber(known[1]) == at and tonumber(known[2]) or 0
  return most - count, at + per - now, function(begun)
    redis.call('HSET', key('rate' .. suffix), 'at', at, 'count', count + begun)
    return at
  end
end

function kinds.bucket(most, per, burst, _, suffix, each)
  local known = redis.call('HMGET', key('rate' .. suffix), 'at', 'tokens', 'taken')
  local tokens = burst
  if known[1] and known[2] then
    tokens = math.min(burst, tonumber(known[2]) + math.max(0, now - tonumber(known[1])) * most / per)
  end
  return math.floor(tokens), math.ceil((each - tokens % each) * per / most), function(begun)
    -- In a new bucket, `taken` begins with the microseconds since 1970. So a bucket that expired and is
    -- created again never returns the same mark twice.
    local taken = (tonumber(known[3]) or now * 1000) + begun
    local values = { 'tokens', string.format('%.6f', tokens - begun), 'taken', string.format('%.0f', taken) }
    redis.call('HSET', key('rate' .. suffix), 'at', now, unpack(values))
    return taken
  end
end

function kinds.sliding(most, per, _, wanted, suffix, each)
  local starts = key('starts' .. suffix)
  local length = redis.call('LLEN', starts)
  -- If the limit was lowered, the list may have more starts than the limit. So more of the oldest starts are
  -- read.
  local oldest = redis.call('LRANGE', starts, -wanted - each - math.max(0, length - most), -1)
  local over = 0
  while #oldest > 0 and tonumber(oldest[#oldest]) <= now - per do
    oldest[#oldest], over = nil, over + 1
  end
  local free = most - length + over
  -- The start that must expire before one more lot of `each` fits.
  local first = oldest[#oldest + 1 - each + free % each]
  return free, first and tonumber(first) + per - now or per, function(begun)
    if begun > 0 then
      local times = {}
      if over > 0 then
        redis.call('RPOP', starts, over)
      end
      for i = 1, begun do
        times[i] = now
      end
      redis.call('LPUSH', starts, unpack(times))
    end
    return now
  end
end

-- Returns how many of `wanted` starts are allowed now; the milliseconds until `each` more starts are allowed,
-- or -1 if they must wait for the end of a running job; and a function that records starts. `suffix`: the end
-- of the names of the rate's keys, default ''. Keys with a suffix expire. `active`: the number of active jobs
-- or held permits, which counts against the concurrency. Default: the number of active jobs in the partition.
local function allowed_starts(limits, wanted, suffix, active, each)
  local concurrency, kind, most, per, burst = string.match(limits, '^(%d*)|([^|]*)|(%d*)|(%d*)|(%d*)$')
  local free, wait, note = wanted, -1, nil
  if concurrency ~= '' then
    active = active or math.max(redis.call('HLEN', key('holders')) - 1, 0)
    free = math.min(free, tonumber(concurrency) - active)
  end
  if kind ~= '' and not kinds[kind] then
    -- For a rate of an unknown kind, see `store/contract/rules/rate.ts`.
    return 0, UNKNOWN_RATE_AGAIN, nil
  end
  if kind ~= '' then
    most, per, burst, suffix = tonumber(most), tonumber(per), tonumber(burst), suffix or ''
    local count, next_one, begin = kinds[kind](most, per, burst, wanted, suffix, each or 1)
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

-- Returns the limits that hold for a claim. `stated`: the limits that the claim states, or ''. `stored`: the
-- limits that are stored with the partition (pause.lua), or ''. `bothLimits` in
-- `store/contract/rules/pause.ts` is the same rule.
local function both(stated, stored)
  local limits = string.gsub(string.sub(stored, 2), ':', '|')
  if stated == '' or limits == '' then
    return limits == '' and stated or limits
  end
  local most, rate = string.match(limits, '^(%d*)(.*)$')
  local other, others = string.match(stated, '^(%d*)(.*)$')
  if most == '' or other ~= '' and tonumber(other) < tonumber(most) then
    most = other
  end
  return most .. (rate == '||||' and others or rate)
end
