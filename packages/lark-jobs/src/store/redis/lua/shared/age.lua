-- Takes jobs off the lines when priorities age: each step of a job's priority counts as if the job had come so many
-- milliseconds sooner. No stored place changes: only the heads of the lines are compared.

-- The aged place of the first due job of a line; nothing if no job is due.
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

-- Replaces `take_all`. If places are equal, the first line goes first, which has the higher priority.
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
