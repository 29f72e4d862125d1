-- enqueue: queues jobs, all or none.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5…] runs of jobs that are alike, made in the same millisecond: priority ('' for 0), or that and a lock behind a '|'
--          (shared/lock.lua); delay ('' for none); how many; then two each: id, the record without its first field
-- Returns  '' when all are queued, else a letter a job: q(ueued), e(xists), u, t, r (shared/lock.lua); then for each of
--          these three, a line with the id in its way
-- Cost     O(n); O(log m) for each delayed one among m delayed
-- include: start
-- include: call
-- include: line
-- include: claim
-- include: counters
-- include: locate
-- include: lock
-- include: ring
-- include: hand

local answer = recall()
if answer then
  return answer
end

local ids, rests, runs = {}, {}, {}
local at = 5
while ARGV[at] do
  local first, count = #ids + 1, tonumber(ARGV[at + 2])
  local priority, lock = string.match(ARGV[at], '^(-?%d*)|?(.*)$')
  runs[#runs + 1] = { priority = priority, lock = lock, delay = ARGV[at + 1], first = first, last = first + count - 1 }
  at = at + 3
  for i = first, first + count - 1 do
    ids[i], rests[i] = ARGV[at], ARGV[at + 1]
    at = at + 2
  end
end
local known = redis.call('HMGET', key('jobs'), unpack(ids))

local records, seen, verdicts, refused, n = {}, {}, {}, {}, 0
local is_plain, rings = true, 0
for _, run in ipairs(runs) do
  local after, list = string.format('%d', now - made_at(ids[run.first])), {}
  for i = run.first, run.last do
    local id, verdict, by = ids[i], nil, nil
    if known[i] or seen[id] then
      verdict = 'e'
    elseif run.lock ~= '' then
      verdict, by = meet(run.lock, id, rests[i])
      refused[#refused + 1] = by and '\n' .. by
    end
    if verdict then
      verdicts[i], is_plain = verdict, false
    else
      verdicts[i], seen[id] = 'q', true
      if run.lock == '' then
        records[n + 1], records[n + 2] = id, after .. rests[i]
        n = n + 2
      else
        -- Now, so that the next of this call finds it.
        redis.call('HSET', key('jobs'), id, after .. rests[i])
      end
      if run.lock == '' or run.delay == '' then
        list[#list + 1] = id
      elseif put(id, run.priority, now + tonumber(run.delay)) then
        rings = rings + 1
      end
    end
  end
  run.list = list
end

if n > 0 then
  -- First, because it is what a server that is full or read-only refuses.
  redis.call('HSET', key('jobs'), unpack(records))
end

-- An entry of the list that is no longer meant may have the id of a job that comes again.
local function fresh(list, priority)
  if redis.call('EXISTS', line('void', priority)) == 0 then
    return list
  end
  local rest = {}
  for i, void in ipairs(redis.call('SMISMEMBER', line('void', priority), unpack(list))) do
    if void == 1 then
      put(list[i], priority, now)
    else
      rest[#rest + 1] = list[i]
    end
  end
  return rest
end

-- Nobody can be before jobs that are due at once, when nothing waits; callers that do may have them right away.
local function is_first()
  for _, run in ipairs(runs) do
    if run.priority ~= '' or run.delay ~= '' or run.lock ~= '' then
      return false
    end
  end
  return n > 0 and not in_cluster and redis.call('EXISTS', key('offers')) == 1 and redis.call('HGET', key('settings'), 'paused') ~= '1'
    and redis.call('EXISTS', line('line', ''), line('due', ''), line('void', ''), key('priorities')) == 0
end

if is_first() then
  local list, texts = {}, {}
  for i = 1, n, 2 do
    list[#list + 1], texts[#texts + 1] = records[i], records[i + 1]
  end
  local handed, rung = hand(list, texts)
  runs = { { priority = '', delay = '', list = { unpack(list, handed + 1) } } }
  rings = -rung
end
for _, run in ipairs(runs) do
  local list, priority = run.list, run.priority
  if #list > 0 then
    open_line(priority)
  end
  if #list > 0 and run.delay == '' then
    rings = rings + #list
    list = fresh(list, priority)
    if #list > 0 then
      redis.call('RPUSH', line('line', priority), unpack(list))
    end
  elseif #list > 0 then
    local due, place = {}, now + tonumber(run.delay)
    for i, id in ipairs(list) do
      due[2 * i - 1], due[2 * i] = place, id
    end
    redis.call('ZADD', line('due', priority), unpack(due))
    if seen[redis.call('ZRANGE', line('due', priority), 0, 0)[1]] then
      rings = rings + 1
    end
  end
end

answer = is_plain and '' or table.concat(verdicts) .. table.concat(refused)
remember(answer)
ring(rings)
return answer
