-- enqueue: queues jobs, all or none.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5…] runs of jobs that are alike: priority ('' for 0), delay ('' for none), how many; then two each: id, rest of
--          the record
-- Returns  '' when all are queued, else a letter a job: q(ueued), e(xists)
-- Cost     O(n); O(log m) for each delayed one among m delayed
-- include: start
-- include: call
-- include: line

-- Those who wait for jobs, and how they get them. Only made when there are some: a script makes its functions anew with
-- each call, at 0.12 µs each.
local function waiters()
-- include: claim
-- include: ring
-- include: hand
  return hand, ring
end

local answer = recall()
if answer then
  return answer
end

local ids, rests, runs = {}, {}, {}
local at = 5
while ARGV[at] do
  local first, count = #ids + 1, tonumber(ARGV[at + 2])
  runs[#runs + 1] = { priority = ARGV[at], delay = ARGV[at + 1], first = first, last = first + count - 1 }
  at = at + 3
  for i = first, first + count - 1 do
    ids[i], rests[i] = ARGV[at], ARGV[at + 1]
    at = at + 2
  end
end
local known = redis.call('HMGET', key('jobs'), unpack(ids))

local records, seen, verdicts, exists, n = {}, {}, {}, false, 0
for _, run in ipairs(runs) do
  local head, list = now .. '|' .. run.priority .. '|', {}
  for i = run.first, run.last do
    local id = ids[i]
    if known[i] or seen[id] then
      verdicts[i], exists = 'e', true
    else
      verdicts[i], seen[id], list[#list + 1] = 'q', true, id
      records[n + 1], records[n + 2] = id, head .. rests[i]
      n = n + 2
    end
  end
  run.list = list
end

if n > 0 then
  -- First, because it is what a server that is full or read-only refuses.
  redis.call('HSET', key('jobs'), unpack(records))
end

-- Mostly nobody waits and no entry of the list is void, and one look tells both.
local is_quiet = #runs == 1 and redis.call('EXISTS', key('idle'), line('void', runs[1].priority)) == 0
local is_first = false

-- An entry of the list that is no longer meant may have the id of a job that comes again.
local function fresh(list, priority)
  if is_quiet or is_first or redis.call('EXISTS', line('void', priority)) == 0 then
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

local rings, hand, ring = 0, nil, nil
if not is_quiet then
  hand, ring = waiters()
  -- Nobody can be before jobs that are due at once, when nothing waits; callers that do may have them right away.
  local run = runs[1]
  is_first = #runs == 1 and run.priority == '' and run.delay == '' and not in_cluster
    and redis.call('EXISTS', key('offers')) == 1 and redis.call('HGET', key('settings'), 'paused') ~= '1'
    and redis.call('EXISTS', line('line', ''), line('due', ''), line('void', ''), key('priorities')) == 0
end
if is_first then
  local texts = {}
  for i = 2, n, 2 do
    texts[i / 2] = records[i]
  end
  local handed, rung = hand(runs[1].list, texts)
  runs[1].list = { unpack(runs[1].list, handed + 1) }
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

answer = exists and table.concat(verdicts) or ''
remember(answer)
if ring then
  ring(rings)
end
return answer
