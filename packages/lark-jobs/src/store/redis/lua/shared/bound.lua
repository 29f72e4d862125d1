-- A partition that holds only so many jobs which have not begun.

-- How many more it may hold. Less than 0: by how many it holds too many.
local function room_in(max)
  local waiting, delayed = pending()
  return max - waiting - delayed
end

-- Drops so many, from the lowest line upwards: what would run first, and then what would fall due first; those of groups
-- after all others, by place. Says which.
local function drop(count)
  count = math.min(count, MAX_ITEMS)
  local dropped, all = {}, lines()
  for i = #all, 1, -1 do
    if #dropped < count then
      take(all[i], count, dropped, {})
    end
  end
  for i = #all, 1, -1 do
    local due = line('due', all[i])
    local late = #dropped < count and redis.call('ZRANGE', due, 0, count - #dropped - 1) or {}
    if #late > 0 then
      redis.call('ZREM', due, unpack(late))
    end
    for _, id in ipairs(late) do
      dropped[#dropped + 1] = id
    end
  end
  local grouped = #dropped < count and redis.call('ZRANGE', key('laned'), 0, count - #dropped - 1) or {}
  for _, id in ipairs(grouped) do
    local _, priority = queued(id, redis.call('HGET', key('jobs'), id))
    leave(id, priority)
    dropped[#dropped + 1] = id
  end
  for _, id in ipairs(dropped) do
    redis.call('HSET', key('reasons'), id, 'dropped')
  end
  return dropped
end
