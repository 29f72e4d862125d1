-- A partition that holds only so many jobs which have not begun.
local function pending()
  local count = 0
  for _, priority in ipairs(lines()) do
    count = count + redis.call('ZCARD', line('due', priority))
      + redis.call('LLEN', line('line', priority)) - redis.call('SCARD', line('void', priority))
  end
  return count
end

-- Drops so many, from the lowest line upwards: what would run first, and then what would fall due first. Says which.
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
  for _, id in ipairs(dropped) do
    redis.call('HSET', key('reasons'), id, 'dropped')
  end
  return dropped
end
