-- A claim: the jobs that one exchange handed out, under one token and one lease.
--   claims   HASH  token -> claimed at, then the ids, one a line; token# -> how many of them are still held
--   leases   ZSET  token -> when its lease ends
--   holders  HASH  id -> token | [how it has started] [@ place in its line, when that is not the time it was queued]
--                  [~ its lane]
--                  It has not started: a, handed out ahead; s, a suspect. It is a suspect, and started beside others: b
-- What is kept once a claim instead of once a job costs a batch of 50 nothing (measured: 0.9 µs less a job).

-- The value of the field '' of `holders`. Up to 512 short fields Redis keeps as a list, and searches that for each.
-- One value of over 64 bytes makes it a table (measured in batches of 200: 1.9 µs less a job of 5.6).
local TABLE = 'this text is long enough that the hash in which it stands is a table'

-- From so many crashes on a job is a suspect: it is to run alone in its process.
local SUSPECT = 2

-- Whether these counters (counters.lua) are a suspect's. Most jobs have none.
local function is_suspect(counters)
  return counters and (tonumber(string.match(counters, '^%d+,%d+,(%d+)')) or 0) >= SUSPECT
end

-- Jobs that are in no line any more, as a claim of which the first `started` begin at once, but for suspects. `places`
-- has those that are not the time of queueing, or with a lane behind (round.lua). `counters` of each, when any job has
-- some.
local function open_claim(token, ids, started, places, ends, counters)
  local holders = { '', TABLE }
  local begins, ahead = token .. '|', token .. '|a'
  for i = 1, #ids do
    local id, holder = ids[i], i > started and ahead or begins
    if counters and is_suspect(counters[i]) then
      holder = token .. '|s'
    end
    holders[2 * i + 1], holders[2 * i + 2] = id, places[id] and holder .. '@' .. places[id] or holder
  end
  redis.call('HSET', key('holders'), unpack(holders))
  redis.call('HSET', key('claims'), token, now .. '\n' .. table.concat(ids, '\n'), token .. '#', #ids)
  redis.call('ZADD', key('leases'), ends, token)
end

local function is_held(holder, token)
  return holder and string.sub(holder, 1, #token + 1) == token .. '|'
end

-- The token, how it has started, the place, and the lane or ''.
local function read_holder(holder)
  local token, start, place, lane = string.match(holder, '^(.*)|([asb]?)@?(%d*)~?(.*)$')
  return token, start, tonumber(place), lane
end

-- Which jobs of a claim are still held, in their order, and who holds each. `after`: only those behind this one.
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

-- So many of its jobs are no longer held.
local function leave_claim(token, count)
  local left = redis.pcall('HINCRBY', key('claims'), token .. '#', -count)
  if type(left) ~= 'number' then
    -- The number is damaged, and is counted anew.
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
