-- Partitions with a bound: they hold only a limited number of jobs that have not begun.
-- module: admission
-- needs: start, line, place, job-counts, order, end
-- gives: room_in, drop

-- How many more jobs the partition may hold. Negative: how many jobs it has too many.
local function room_in(max)
  local waiting, delayed = pending()
  return max - waiting - delayed
end

-- Drops `count` jobs: first waiting jobs, from the lowest priority upwards and in the order in which they
-- would run; then delayed jobs in the same way, by due time; then jobs of groups, by place. `kept`: how many
-- cancelled jobs are kept.
local function drop(count, kept)
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
  end_as('cancelled', dropped, kept, 'untold')
end
