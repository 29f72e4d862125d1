-- Lines in the order of places that age: a job of a higher priority stands as if it had come so many milliseconds
-- sooner for each step of it. Nothing is scored anew: only the heads of the lines are compared.

-- The place of the first of a line that is due, as it would stand at priority 0; nothing when none is.
local function aged_place(priority, milliseconds)
  local list, void = line('line', priority), line('void', priority)
  local head = redis.call('LRANGE', list, 0, 0)[1]
  for _ = 1, MAX_ITEMS do
    if not head or redis.call('SISMEMBER', void, head) == 0 then
      break
    end
    redis.call('LPOP', list)
    redis.call('SREM', void, head)
    head = redis.call('LRANGE', list, 0, 0)[1]
  end
  local place = head and queued(head, redis.call('HGET', key('jobs'), head))
  local early = redis.call('ZRANGE', line('due', priority), '-inf', now, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  early = tonumber(early)
  if early and (not place or early < place) then
    place = early
  end
  return place and place - (tonumber(priority) or 0) * milliseconds
end

-- As `take_all`. Of the same place the higher priority goes first, which is the first line.
return function(all, limit, ids, places)
  local heads = {}
  for i, priority in ipairs(all) do
    heads[i] = aged_place(priority, aging) or math.huge
  end
  while #ids < limit do
    local first = 1
    for i = 2, #heads do
      first = heads[i] < heads[first] and i or first
    end
    local before = #ids
    if heads[first] < math.huge then
      take(all[first], before + 1, ids, places)
    end
    if #ids == before then
      return
    end
    heads[first] = aged_place(all[first], aging) or math.huge
  end
end
