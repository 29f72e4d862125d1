-- enqueue: queues jobs, all or none.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5…] four a job: id, priority ('' for 0), delay ('' for none), rest of the record
-- Returns  '' when all are queued, else a letter a job: q(ueued), e(xists)
-- Cost     O(n); O(log m) for each delayed one among m delayed
-- include: start
-- include: call
-- include: line
-- include: ring

local answer = recall()
if answer then
  return answer
end

local ids = {}
for i = 5, #ARGV, 4 do
  ids[#ids + 1] = ARGV[i]
end
local known = redis.call('HMGET', key('jobs'), unpack(ids))

local records, seen, verdicts, exists = {}, {}, {}, false
local lists, dues = {}, {}
for i, id in ipairs(ids) do
  local at = 1 + 4 * i
  if known[i] or seen[id] then
    verdicts[i], exists = 'e', true
  else
    verdicts[i], seen[id] = 'q', true
    local priority, delay = ARGV[at + 1], ARGV[at + 2]
    records[#records + 1] = id
    records[#records + 1] = now .. '|' .. priority .. '|' .. ARGV[at + 3]
    if delay == '' then
      local list = lists[priority]
      if not list then
        list = {}
        lists[priority] = list
      end
      list[#list + 1] = id
    else
      local due = dues[priority] or {}
      dues[priority] = due
      due[#due + 1] = now + tonumber(delay)
      due[#due + 1] = id
    end
  end
end

local rings = 0
if #records > 0 then
  -- First, because it is what a server that is full or read-only refuses.
  redis.call('HSET', key('jobs'), unpack(records))
end
for priority, list in pairs(lists) do
  open_line(priority)
  rings = rings + #list
  if redis.call('EXISTS', line('void', priority)) == 1 then
    local fresh = {}
    for i, void in ipairs(redis.call('SMISMEMBER', line('void', priority), unpack(list))) do
      if void == 1 then
        put(list[i], priority, now)
      else
        fresh[#fresh + 1] = list[i]
      end
    end
    list = fresh
  end
  if #list > 0 then
    redis.call('RPUSH', line('line', priority), unpack(list))
  end
end
for priority, due in pairs(dues) do
  open_line(priority)
  redis.call('ZADD', line('due', priority), unpack(due))
  if seen[redis.call('ZRANGE', line('due', priority), 0, 0)[1]] then
    rings = rings + 1
  end
end

answer = exists and table.concat(verdicts) or ''
remember(answer)
ring(rings)
return answer
