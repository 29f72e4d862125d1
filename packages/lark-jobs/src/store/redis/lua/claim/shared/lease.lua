-- Claims and their leases. A claim has the jobs that one `exchange` or one ring has handed out, under one
-- token and one lease.
--   claims   HASH  token -> when the jobs were claimed, then their ids, one on each line; token# -> how many
--                  of these jobs are still held
--   leases   ZSET  token -> when its lease ends; half a millisecond less if the lease was prolonged because
--                  of a silence and was not renewed after that
--   holders  see holder.lua
-- The time and the lease are stored once for each claim. If they were stored once for each job, a job would
-- take 0.9 µs more in batches of 50.
-- needs: start, holder, last_tokens
-- gives: open_claim, started_of, held_by, leave_claim, claimed_at, crash_limit

-- The value of the field '' of `holders`. Redis stores a hash of up to 512 short fields as a list, and
-- searches this list for each field. One value of more than 64 bytes makes Redis store the hash as a table,
-- which saves 1.9 of the 5.6 µs of a job in batches of 200.
local TABLE = 'this text is long enough that the hash in which it stands is a table'

-- The number of crashes after which a job fails: the limit of the job, which is the first option in its
-- record, or the default.
local function crash_limit(record, default)
  return tonumber(string.match(record or '', '^[^,|]*,[^,|]*,{"maxCrashes":(%d+)')) or default or MAX_CRASHES
end

-- Whether a job with these counters (counters.lua) is a suspect, which will fail at its next crash. A suspect
-- must run alone in its process. Most jobs have no counters, and are not suspects.
local function is_suspect(counters, record)
  local crashes = counters and tonumber(string.match(counters, '^%d+,%d+,(%d+)')) or 0
  return crashes > 0 and crashes >= crash_limit(record) - 1
end

-- Opens a claim of jobs that have left their lines. The first `started` jobs count as started, except
-- suspects. `places`: by id, the place of each job whose place differs from the time at which it was queued,
-- and the place and lane of each job of a lane (turn.lua). `counters`: the counters of each job, or nothing
-- if no job has counters. `records`: the records of the jobs, which are read only if there are counters.
local function open_claim(token, ids, started, places, ends, counters, records)
  local holders = { '', TABLE }
  local begins, prefetched = token .. '|', token .. '|a'
  for i = 1, #ids do
    local id, holder = ids[i], i > started and prefetched or begins
    if counters and is_suspect(counters[i], records[i]) then
      holder = token .. '|s'
    end
    holders[2 * i + 1], holders[2 * i + 2] = id, places[id] and holder .. '@' .. places[id] or holder
  end
  if counters then
    -- Only a job that was taken back after it had started has a last token, and such a job always has
    -- counters.
    local counted_ones = {}
    for i = 1, #ids do
      counted_ones[#counted_ones + 1] = counters[i] and ids[i] or nil
    end
    last_tokens().settles_no_more(counted_ones)
  end
  redis.call('HSET', key('holders'), unpack(holders))
  redis.call('HSET', key('claims'), token, now .. '\n' .. table.concat(ids, '\n'), token .. '#', #ids)
  redis.call('ZADD', key('leases'), ends, token)
end

-- Returns the jobs of a new claim that count as started.
local function started_of(ids, started, counters, records)
  local begun = {}
  for i = 1, math.min(started, #ids) do
    begun[#begun + 1] = not (counters and is_suspect(counters[i], records[i])) and ids[i] or nil
  end
  return begun
end

-- Returns the jobs of a claim that are still held, in the order of the claim, and their holder fields.
-- `after`: if given, only the jobs after the job with this id are returned.
local function held_by(token, after)
  local claim = redis.call('HGET', key('claims'), token)
  local ids, held, holders = {}, {}, {}
  for id in string.gmatch(claim or '', '\n([^\n]+)') do
    if id == after then
      ids = {}
    else
      ids[#ids + 1] = id
    end
  end
  if #ids == 0 then
    return held, holders
  end
  for i, holder in ipairs(redis.call('HMGET', key('holders'), unpack(ids))) do
    if is_held(holder, token) then
      held[#held + 1], holders[#holders + 1] = ids[i], holder
    end
  end
  return held, holders
end

-- Notes that `count` jobs of a claim are no longer held.
local function leave_claim(token, count)
  local left = redis.pcall('HINCRBY', key('claims'), token .. '#', -count)
  if type(left) ~= 'number' then
    -- The stored number is damaged, so the held jobs are counted again.
    left = #held_by(token)
    redis.call('HSET', key('claims'), token .. '#', left)
  end
  if left <= 0 then
    redis.call('HDEL', key('claims'), token, token .. '#')
    redis.call('ZREM', key('leases'), token)
  end
end

local function claimed_at(token)
  return string.match(redis.call('HGET', key('claims'), token) or '', '^%d+')
end
