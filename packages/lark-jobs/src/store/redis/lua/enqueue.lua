-- enqueue: queues jobs, all or none.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5…] when the partition is bounded, `b` and how many it may hold, '|', and how many cancelled jobs are kept when
--          it drops the oldest for another, or '' when it refuses that; then runs of jobs that are alike, made in the
--          same millisecond: an h when they are hooked (shared/ending.lua), priority ('' for 0) or lane (shared/line.lua)
--          and '~' with its limits, a '|' and a lock (shared/lock.lua); delay ('' for none); how many; then two each: id,
--          the record without its first field
-- Returns  '' when all are queued, else a letter a job: q(ueued), e(xists), f(ull), u, t, r (shared/lock.lua); then for
--          each of the last three, a line with the id in its way
-- Cost     O(n); O(log m) for each delayed one among m delayed
-- include: start
-- include: call
-- include: line
-- include: queue

-- What few calls need is only made for them: a script makes its functions anew with each call, at 0.12 µs each.

-- Those who wait for jobs, and how they get them.
local function waiters()
-- include: claim
-- include: ring
-- include: hand
  return hand, ring
end

-- Unique jobs.
local function locks()
-- include: counters
-- include: locate
-- include: lock
  return meet
end

-- Partitions that hold only so many.
local function bounds()
-- include: counters
-- include: finish
-- include: ending
-- include: take
-- include: pending
-- include: bound
  return room_in, function(count, kept)
    local dropped = drop(count)
    note_endings(dropped)
    finish('cancelled', dropped, kept)
  end
end

local answer = recall()
if answer then
  return answer
end

local at, room, room_in, drop = 5, math.huge, nil, nil
local max, kept = string.match(ARGV[at], '^b(%d+)|(%d*)$')
if max then
  room_in, drop = bounds()
  at, room = 6, kept == '' and room_in(tonumber(max)) or math.huge
end
local ids, rests, runs = read_runs(at)
local known = redis.call('HMGET', key('jobs'), unpack(ids))

local records, seen, verdicts, refused, n = {}, {}, {}, {}, 0
local is_plain, rings, meet = true, 0, nil
for _, run in ipairs(runs) do
  local after, list = string.format('%d', now - made_at(ids[run.first])), {}
  for i = run.first, run.last do
    local id, verdict, by = ids[i], nil, nil
    if known[i] or seen[id] then
      verdict = 'e'
    elseif room <= 0 then
      verdict = 'f'
    elseif run.lock ~= '' then
      meet = meet or locks()
      verdict, by = meet(run.lock, id, rests[i])
      refused[#refused + 1] = by and '\n' .. by
    end
    if verdict then
      verdicts[i], is_plain = verdict, false
    else
      verdicts[i], seen[id], room = 'q', true, room - 1
      if run.lock == '' then
        records[n + 1], records[n + 2] = id, after .. rests[i]
        n = n + 2
      else
        -- Now, so that the next of this call finds it.
        redis.call('HSET', key('jobs'), id, after .. rests[i])
      end
      if run.hooked ~= '' then
        redis.call('HSET', key('hooked'), id, 1)
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

-- Mostly nobody waits and no entry of the list is void, and one look tells both.
local voids = {}
for i, run in ipairs(runs) do
  voids[i] = line('void', run.priority)
end
local is_quiet, is_first = redis.call('EXISTS', key('idle'), unpack(voids)) == 0, false

local hand, ring
if not is_quiet then
  hand, ring = waiters()
end
if hand and n > 0 and are_first(runs) then
  is_first = true
  local list, texts = {}, {}
  for i = 1, n, 2 do
    list[#list + 1], texts[#texts + 1] = records[i], records[i + 1]
  end
  local handed, rung = hand(list, texts)
  runs = { { priority = '', delay = '', list = { unpack(list, handed + 1) } } }
  rings = -rung
end
rings = rings + line_up(runs, seen, is_quiet or is_first)

if drop and kept ~= '' then
  drop(-room_in(tonumber(max)), tonumber(kept))
end
answer = is_plain and '' or table.concat(verdicts) .. table.concat(refused)
if made then
  made.stir_all()
end
remember(answer)
if ring then
  ring(rings)
end
return answer
