-- survey: reports the partitions that have work, and can announce a worker with the same call.
--
-- KEYS[1]  workers     HASH worker -> record; on a cluster jobs, HASH id -> record, of one of the partitions,
--          which are all on this node
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  caller
-- ARGV[3]  for how many milliseconds the worker counts as alive, or '' if it is not announced. If the caller
--          is a worker, `|` and the lease of all workers in milliseconds follow
-- ARGV[4]  the record of the worker, JSON
-- ARGV[5]  the number of job keys that the worker knows
-- ARGV[6]  the age in milliseconds at which completed jobs are removed
-- ARGV[7]  the age at which failed jobs are removed
-- ARGV[8]  the age at which cancelled jobs are removed
-- ARGV[9]  how long and how many ended jobs the worker keeps
-- ARGV[10…] the job keys; then for each partition: 'w' if the caller waits for jobs there; 'p' if the caller
--          asks whether there are jobs to prune, followed by three ages if the partition has its own; '|',
--          and the name of the partition
-- Returns  { the time; the number of partitions, or -1; five values for each partition in which there is
--          something to do: its index; the milliseconds until a job may begin, until a lease ends, and until
--          there is an effect to hand out, each -1 if there is none; and 1 if there is something to prune,
--          plus 2 if there are jobs on their way that no caller holds; two values for each damaged partition:
--          its index, and the error; if there are schedules or flows, or a message, two values for each
--          partition in which one will be due: its index, and the milliseconds until then; the message to the
--          worker, if there is one (shared/known.lua) }
-- Cost     O(n log m) for n partitions and m waiting jobs
-- needs: start, known, visit, line, order, lanes, pause, silence

local ttl, lease_ms = string.match(ARGV[3], '^(%d*)|?(%d*)$')
lease_ms = tonumber(lease_ms)
local ages = table.concat({ ARGV[6], ARGV[7], ARGV[8] }, ',')

-- The first time in a sorted set of times; nothing if the set is empty.
local function first_of(name)
  return tonumber(redis.call('ZRANGE', key(name), 0, 0, 'WITHSCORES')[2])
end

local function rest_until(name)
  local at = first_of(name)
  return at and math.max(math.ceil(at - now), 0) or -1
end

-- Milliseconds until the caller should claim jobs, or -1.
local function next_job()
  if redis.call('SISMEMBER', key('idle'), ARGV[2]) == 0 then
    return 0
  end
  if in_cluster then
    -- The expiry of this key shows other calls that the caller is alive (ring.lua).
    redis.call('PEXPIRE', key('call:' .. ARGV[2]), CALL_MEMORY)
  end
  local places = redis.call(
    'EXISTS', key('line'), key('due'), key('priorities'), key('turns'), key('asleep'), key('limiters')
  )
  local paused = pause_left(redis.call('HGET', key('settings'), 'paused'))
  if places == 0 or paused == math.huge then
    return -1
  elseif paused then
    return paused
  elseif redis.call('EXISTS', key('limiters')) == 1 then
    -- The caller should claim now, because only the answer to a claim says for which limiters it needs
    -- permits.
    return 0
  end
  local due = next_due(lines())
  return redis.call('EXISTS', key('turns'), key('asleep')) > 0 and lanes().next_turn(due) or due
end

local function is_old(own)
  local completed, failed, cancelled = string.match(own ~= '' and own or ages, '^(%d+),(%d+),(%d+)$')
  for state, age in pairs({ completed = completed, failed = failed, cancelled = cancelled }) do
    if (first_of(state) or math.huge) <= now - age then
      return true
    end
  end
  -- EXISTS counts a key as often as the command names the key: `unrolled` once, each other key twice. So an
  -- odd number means that there are hours to roll up, and a number above 1 that there are other keys. Most
  -- partitions have no other keys.
  local names, keys = { 'throttles', 'paused', 'remembered', 'remembered:bundle', 'kept', 'kept-logs', 'early', 'relayed' }, {}
  for i, name in ipairs(names) do
    keys[2 * i - 1], keys[2 * i] = key(name), key(name)
  end
  local found = redis.call('EXISTS', key('unrolled'), unpack(keys))
  if found % 2 == 1 and first_of('unrolled') <= now then
    return true
  end
  for _, name in ipairs(found > 1 and names or {}) do
    if (first_of(name) or math.huge) <= now then
      return true
    end
  end
  return false
end

local function look(waits, prunes, own)
  local due = waits and next_job() or -1
  local ends, effect, tick, old_or_moving = -1, -1, nil, prunes and is_old(own) and 1 or 0
  -- EXISTS counts a key as often as the command names the key: `ticks` once, `flows` twice, the other keys
  -- four times. So the lowest binary digit of the sum says whether there are schedules, the next digit
  -- whether there are flows, and the higher digits whether there are other keys.
  local leases, ended, flow, bundles = key('leases'), key('ended'), key('flows'), key('effects:bundle')
  local found = redis.call(
    'EXISTS', key('ticks'), flow, flow, leases, leases, leases, leases, ended, ended, ended, ended, bundles, bundles,
    bundles, bundles
  )
  for n, name in ipairs({ 'ticks', 'flows' }) do
    local rest = math.floor(found / n) % 2 == 1 and rest_until(name) or -1
    tick = rest >= 0 and math.min(rest, tick or rest) or tick
  end
  if found > 3 then
    ends = rest_until('leases')
    if lease_ms and ends >= 0 then
      hear(lease_ms)
    end
    for _, name in ipairs({ 'effects:hook', 'effects:member', 'effects:bundle' }) do
      local rest = rest_until(name)
      effect = (effect < 0 or rest >= 0 and rest < effect) and rest or effect
    end
    old_or_moving = old_or_moving + ((first_of('effects:move') or math.huge) <= now and 2 or 0)
  end
  return due, ends, effect, old_or_moving, tick
end

-- This write comes first for two reasons. A server that accepts no writes refuses the call because of this
-- write. And a server whose memory is full allows the write, because it needs no memory, and then also all
-- other writes of the script.
redis.call('ZREM', key('worker-ends'), '')
local from = 10 + tonumber(ARGV[5])
local known, told = -1, nil
if ttl ~= '' then
  known, told = make_known(ARGV[2], ttl, ARGV[4], ARGV[9], 10, from - 1)
end
local found, damaged, ticks = {}, {}, {}
for i = from, #ARGV do
  local waits, prunes, own, partition = string.match(ARGV[i], '^(w?)(p?)([%d,]*)|(.*)$')
  visit(partition)
  local is_sound, due, ends, effect, old, tick = pcall(function()
    return look(waits == 'w', prunes == 'p', own)
  end)
  if not is_sound then
    damaged[#damaged + 1] = i - from
    damaged[#damaged + 1] = type(due) == 'table' and due.err or tostring(due)
  elseif due >= 0 or ends >= 0 or effect >= 0 or old > 0 then
    for _, number in ipairs({ i - from, due, ends, effect, old }) do
      found[#found + 1] = number
    end
  end
  if is_sound and tick then
    ticks[#ticks + 1] = i - from
    ticks[#ticks + 1] = tick
  end
end
return { now, known, found, damaged, (told or #ticks > 0) and ticks or nil, told }
