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
-- include: payload
-- include: hand
  return hand, ring
end

-- Jobs that may not all be queued.
local function admits()
-- include: payload
-- include: admit
  return admit
end

-- Payloads that are kept apart.
local function payloads()
-- include: payload
  return keep_payloads
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
local ids, records, runs, is_plain, large = read_runs(at)

local verdicts, rings = '', 0
-- First, because it is what a server that is full or read-only refuses.
local added = is_plain and room >= #ids and write(ids, records) or 0
if added < #ids then
  if added > 0 then
    -- An id came twice in this call, and the first record of it counts.
    redis.call('HDEL', key('jobs'), unpack(ids))
  end
  records, verdicts, rings = admits()(ids, records, runs, large, room)
  if #records > 0 then
    redis.call('HSET', key('jobs'), unpack(records))
  end
elseif next(large) then
  local list = {}
  for i, payload in pairs(large) do
    list[#list + 1], list[#list + 2] = ids[i], payload
  end
  payloads()(list)
end
for _, run in ipairs(runs) do
  if run.hooked ~= '' then
    for _, id in ipairs(run.list) do
      redis.call('HSET', key('hooked'), id, 1)
    end
  end
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
if hand and #records > 0 and are_first(runs) then
  is_first = true
  local list, texts = {}, {}
  for i = 1, #records, 2 do
    list[#list + 1], texts[#texts + 1] = records[i], records[i + 1]
  end
  local handed, rung = hand(list, texts)
  runs = { { priority = '', delay = '', list = { unpack(list, handed + 1) } } }
  rings = -rung
end
rings = rings + line_up(runs, is_quiet or is_first)

if drop and kept ~= '' then
  drop(-room_in(tonumber(max)), tonumber(kept))
end
if made then
  made.stir_all()
end
remember(verdicts)
if ring then
  ring(rings)
end
return verdicts
