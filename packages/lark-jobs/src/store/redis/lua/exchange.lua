-- exchange: settles jobs, then claims the next, in one step.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5]  how many jobs to claim
-- ARGV[6]  lease, milliseconds
-- ARGV[7]  1 when the caller hears its bell, else ''
-- ARGV[8]  how many completed jobs to keep
-- ARGV[9]  how many failed jobs to keep
-- ARGV[10] how many cancelled jobs to keep
-- ARGV[11…] five a settlement, see shared/settle.lua: id, token, kind, value, log lines
-- Returns  { verdicts: '' when all are settled, else 1 or 0 each; milliseconds to the next due job or -1;
--            ids claimed; their records; their counters, or nothing }
-- Cost     O((n + limit) log m) for n settlements and m jobs held or ended; the length of the lines is no matter
-- include: start
-- include: call
-- include: line
-- include: counters
-- include: keep
-- include: finish
-- include: settle
-- include: take
-- include: ring

-- Of records, that a call hands out at most; the first one goes whatever its size.
local MAX_BYTES = 1048576
local limit = math.min(tonumber(ARGV[5]), MAX_ITEMS)
local token = ARGV[2] .. '.' .. ARGV[3]
local paused = redis.call('HGET', key('settings'), 'paused') == '1'

local function records_of(ids)
  return #ids > 0 and redis.call('HMGET', key('jobs'), unpack(ids)) or {}
end

local function reply(verdicts, all, ids, records)
  local counters = #ids > 0 and redis.call('EXISTS', key('counters')) == 1
    and redis.call('HMGET', key('counters'), unpack(ids))
  return { verdicts, paused and -1 or next_due(all), ids, records, counters }
end

local answer = recall()
if answer then
  local verdicts, list = string.match(answer, '^([01]*)|(.*)$')
  local ids = {}
  for id in string.gmatch(list, '[^\n]+') do
    local holder = redis.call('HGET', key('holders'), id)
    if holder and string.sub(holder, 1, #token + 1) == token .. '|' then
      ids[#ids + 1] = id
    end
  end
  return reply(verdicts, lines(), ids, records_of(ids))
end

-- First, because it is a write that a full server allows: having written, it allows the rest as well. Who works
-- makes room.
redis.call('SREM', key('idle'), limit > 0 and ARGV[2] or '')

local kept = { completed = tonumber(ARGV[8]), failed = tonumber(ARGV[9]), cancelled = tonumber(ARGV[10]) }
local verdicts = settle(11, kept)

local all, taken, places = lines(), {}, {}
if limit > 0 and not paused then
  for _, priority in ipairs(all) do
    if #taken < limit then
      take(priority, limit, taken, places)
    end
  end
end
local ids, records, leases, holders = {}, {}, {}, {}
local bytes, left = 0, false
local ends, holder = now + tonumber(ARGV[6]), token .. '|' .. now
for i, record in ipairs(records_of(taken)) do
  local id, n = taken[i], #ids + 1
  bytes = bytes + (record and #record or 0)
  if record and n > 1 and bytes > MAX_BYTES then
    local queued_at, priority = queued(record)
    put(id, priority, places[id] or queued_at)
    left = true
  elseif record then
    ids[n], records[n] = id, record
    leases[2 * n - 1], leases[2 * n] = ends, id
    holders[2 * n - 1], holders[2 * n] = id, places[id] and holder .. '@' .. places[id] or holder
  end
end
if #ids > 0 then
  redis.call('HSET', key('holders'), unpack(holders))
  redis.call('ZADD', key('leases'), unpack(leases))
end

-- What fell back is left for others when this caller took all it wanted.
local has_less = #ids < limit and not left
ring(later + (has_less and 0 or again))
if has_less and ARGV[7] ~= '' then
  redis.call('SADD', key('idle'), ARGV[2])
end
remember(verdicts .. '|' .. table.concat(ids, '\n'))
return reply(verdicts, all, ids, records)
