-- Finds how long jobs have been waiting. The list of a line has its jobs in the order in which they were
-- queued. So the times in their ids also rise along the list, except for differences between the clocks of
-- the processes that made the ids.
-- needs: start, line
-- gives: waiting_since

-- When the first job of a list was queued. Void entries are skipped; the result is infinite if the first
-- 9,001 entries are all void.
local function first_place(priority)
  local list, void = line('line', priority), line('void', priority)
  local from, size = 0, 1
  for _ = 1, 10 do
    local heads = redis.call('LRANGE', list, from, from + size - 1)
    for i, is_void in ipairs(#heads > 0 and redis.call('SMISMEMBER', void, unpack(heads)) or {}) do
      if is_void == 0 then
        return (queued(heads[i], redis.call('HGET', key('jobs'), heads[i])))
      end
    end
    from, size = from + #heads, MAX_ITEMS
    if #heads == 0 then
      break
    end
  end
  return math.huge
end

-- How many jobs of a list were queued after `since`. The function searches backwards from the end of the list
-- in doubling steps, and then between the last two steps. A large count may be too low by a thirtieth. The
-- time in an id stands for the time at which the job was queued if it is within a day of now, because it
-- takes time to read records (half of the whole).
local function came_after(priority, since)
  local list = line('line', priority)
  local function came(back)
    local id = redis.call('LRANGE', list, -back, -back)[1]
    local at = id and made_at(id) or 0
    if id and math.abs(at - now) > DAY then
      at = queued(id, redis.call('HGET', key('jobs'), id))
    end
    return at > since
  end
  local low, high, length = 0, 1, redis.call('LLEN', list)
  while high <= length and came(high) do
    low, high = high, high * 2
  end
  high = math.min(high, length + 1)
  while high - low > 1 + low / 30 do
    local middle = math.floor((low + high) / 2)
    if came(middle) then
      low = middle
    else
      high = middle
    end
  end
  return low
end

-- Returns when the first waiting job was due, or -1; and how many of the waiting jobs became due after
-- `since`.
local function waiting_since(since)
  local first, count, after = math.huge, 0, string.format('(%.0f', since)
  local function add(due)
    first = math.min(first, tonumber(redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]) or math.huge)
    count = count + redis.call('ZCOUNT', due, after, now)
  end
  for _, priority in ipairs(lines()) do
    add(line('due', priority))
    local list = line('line', priority)
    local length = redis.call('LLEN', list)
    if length > 0 then
      local place = first_place(priority)
      first = math.min(first, place)
      -- Usually all jobs of a list were queued after `since`, so no search is needed.
      count = count + (place > since and length - redis.call('SCARD', line('void', priority)) or came_after(priority, since))
    end
  end
  add(key('laned'))
  return first <= now and first or -1, count
end
