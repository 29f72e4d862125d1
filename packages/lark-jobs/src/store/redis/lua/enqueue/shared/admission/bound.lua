-- Partitions with a bound, which limits the number of jobs that have not begun. Suspended jobs do not count,
-- because they have begun.
-- module: admission
-- needs: start, line, place, job-counts, order, end, counters, journaled
-- gives: room_in, drop

-- How many more jobs may be queued in the partition. The number is negative if the partition already has too
-- many jobs.
local function room_in(max)
  local waiting, delayed = pending()
  local suspended = has_journals() and redis.call('SCARD', key('suspended')) or 0
  return max - waiting - delayed + suspended
end

-- Divides a list of ids: returns the jobs that are not suspended, and the suspended jobs.
local function without_suspended(ids)
  local others, suspended = {}, {}
  local flags = #ids > 0 and has_journals() and redis.call('SMISMEMBER', key('suspended'), unpack(ids)) or {}
  for i, id in ipairs(ids) do
    local list = flags[i] == 1 and suspended or others
    list[#list + 1] = id
  end
  return others, suspended
end

-- Adds the first jobs of a sorted set to `dropped`, until `dropped` has `count` jobs.
local function add_first(name, count, dropped)
  local from, page = 0, {}
  while #dropped < count do
    page = redis.call('ZRANGE', name, from, from + math.max(count - #dropped, 100) - 1)
    local found = without_suspended(page)
    for i = 1, math.min(#found, count - #dropped) do
      dropped[#dropped + 1] = found[i]
    end
    if #page == 0 then
      break
    end
    from = from + #page
  end
end

-- Drops `count` jobs. Waiting jobs are dropped first, from the lowest priority upwards, and jobs of one
-- priority in the order in which they would run. Delayed jobs come second, from the lowest priority upwards,
-- and jobs of one priority in the order of their due times. Jobs in lanes come last, in the order of their
-- places. `kept`: how many cancelled jobs are kept.
local function drop(count, kept)
  count = math.min(count, MAX_ITEMS)
  local dropped, all, stay = {}, lines(), {}
  for i = #all, 1, -1 do
    local places, suspended = {}, { true }
    while #dropped < count and #suspended > 0 do
      take(all[i], count, dropped, places)
      dropped, suspended = without_suspended(dropped)
      for _, id in ipairs(suspended) do
        stay[#stay + 1] = { id, all[i], places[id] }
      end
    end
  end
  for i = #all, 1, -1 do
    local late, due = #dropped, line('due', all[i])
    add_first(due, count, dropped)
    if #dropped > late then
      redis.call('ZREM', due, unpack(dropped, late + 1))
    end
  end
  local others = #dropped
  add_first(key('laned'), count, dropped)
  for i = others + 1, #dropped do
    local _, priority = queued(dropped[i], redis.call('HGET', key('jobs'), dropped[i]))
    leave(dropped[i], priority)
  end
  for _, each in ipairs(stay) do
    put(unpack(each))
  end
  for _, id in ipairs(dropped) do
    redis.call('HSET', key('reasons'), id, 'dropped')
  end
  end_as('cancelled', dropped, kept, 'untold')
end
