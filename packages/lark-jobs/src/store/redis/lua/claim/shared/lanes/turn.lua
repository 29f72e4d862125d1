-- The turns of lanes. Turns decide which lane is next, and which jobs of the lane may begin.
--   turns     ZSET  lane -> turn: the lanes with a job that may begin. The lane with the lowest turn is next
--   turns^<limiter>  ZSET  lane -> turn: the lanes of a limiter. Their jobs may begin only if the claimer has
--                    permits
--   limiters  ZSET  limiter -> how many lanes it has
--   asleep    ZSET  lane -> when its next job may begin. A lane that waits until one of its active jobs ends
--                   is neither in `turns` nor in `asleep`
-- In `settings`: `turn`, the last turn that was given to a lane; `own`, the turn of the jobs without a lane.
-- module: lanes
-- needs: start, line, rates, lane, aged
-- gives: fall_due, opens_at, reposition, reposition_all, next_turn, take_turn

-- A time that means "never". Redis accepts this number as a score.
local NEVER = 2 ^ 53
-- How many more due jobs this call may move from `late` sets to `lane` sets.
local falls = MAX_ITEMS

-- Moves the due jobs of a lane from its `late` set to its `lane` set.
local function fall_due(lane)
  local late = key('late:' .. lane)
  local fallen = falls > 0 and redis.call('ZRANGE', late, '-inf', now, 'BYSCORE', 'LIMIT', 0, falls, 'WITHSCORES') or {}
  falls = falls - #fallen / 2
  for i = 1, #fallen, 2 do
    local _, name = queued(fallen[i], redis.call('HGET', key('jobs'), fallen[i]))
    local place = rank(tonumber(string.match(name, '^-?%d+')) or 0, tonumber(fallen[i + 1]))
    redis.call('ZREM', late, fallen[i])
    redis.call('ZADD', key('lane:' .. lane), place, fallen[i])
  end
end

-- Returns four values: when the next job of a lane may begin (0 for now, a time, or NEVER if an active job
-- must end first); whether the lane has neither pending nor active jobs; what the lane waits for (`waitsFor`
-- in `contract/stand.ts`), or nothing; and whether the job that goes first in a strict group is no longer in
-- the lane.
local function opens_at(lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  busy = tonumber(busy or 0)
  local due, late = redis.call('ZCARD', key('lane:' .. lane)), key('late:' .. lane)
  local at, cause, next_late = 0, nil, due == 0 and redis.call('ZRANGE', late, 0, 0, 'WITHSCORES')[2]
  if due == 0 then
    at, cause = next_late and tonumber(next_late) or NEVER, next_late and 'due' or 'end'
  end
  local place = first and redis.call('ZSCORE', late, first)
  local is_gone = first and not place and not redis.call('ZSCORE', key('lane:' .. lane), first)
  if place then
    at, cause = tonumber(place), 'retry'
  end
  local till = paused_until(string.match(lane, '^[^^]*'))
  if till > now and till >= at then
    at, cause = till, 'pause'
  end
  local _, limited = read_limits(limits)
  if at == 0 and limited ~= '' then
    local free, wait = rates().allowed_starts(limited, 1, '@' .. lane, busy)
    at = free > 0 and 0 or wait >= 0 and now + wait or NEVER
    cause = at == NEVER and 'end' or at > 0 and 'rate' or nil
  end
  return at, due == 0 and not next_late and busy == 0, cause, is_gone
end

local function turns_of(lane)
  return 'turns' .. (string.match(lane, '%^.*$') or '')
end

-- Puts a lane into `turns` if one of its jobs may begin now, or into `asleep` if one of its jobs may begin at
-- a known time. Takes the lane out of the sets to which it does not belong. Removes an empty lane.
local function reposition(lane)
  local turns = key(turns_of(lane))
  fall_due(lane)
  local at, is_over, _, is_gone = opens_at(lane)
  if is_gone then
    redis.call('HDEL', key('group:' .. lane), 'first')
  end
  if is_over and redis.call('DEL', key('group:' .. lane)) == 1 then
    redis.call('HINCRBY', key('settings'), 'lanes', -1)
    local limiter = string.match(lane, '%^(.*)$')
    if limiter and tonumber(redis.call('ZINCRBY', key('limiters'), -1, limiter)) <= 0 then
      redis.call('ZREM', key('limiters'), limiter)
    end
  end
  if at > 0 then
    redis.call('ZREM', turns, lane)
  elseif not redis.call('ZSCORE', turns, lane) then
    redis.call('ZADD', turns, redis.call('HINCRBY', key('settings'), 'turn', 1), lane)
  end
  if at > 0 and at < NEVER then
    redis.call('ZADD', key('asleep'), at, lane)
  else
    redis.call('ZREM', key('asleep'), lane)
  end
end

-- Calls `reposition` for each lane that this call has changed. The lanes are sorted by name, because a table
-- in Lua has no order, and the turns must not be given at random.
local function reposition_all()
  local names = {}
  for lane in pairs(touched) do
    names[#names + 1], touched[lane] = lane, nil
  end
  table.sort(names)
  for _, lane in ipairs(names) do
    reposition(lane)
  end
end

-- Milliseconds until a job of a lane or a job without a lane may begin, or -1. `due`: the milliseconds for
-- the jobs without a lane alone.
local function next_turn(due)
  if due == 0 or redis.call('EXISTS', key('turns')) == 1 then
    return 0
  end
  local wakes = redis.call('ZRANGE', key('asleep'), 0, 0, 'WITHSCORES')[2]
  local rest = wakes and math.max(wakes - now, 0) or -1
  return (due < 0 or rest >= 0 and rest < due) and rest or due
end

-- Takes at most `most` jobs out of the lane whose turn it is. Sets `places[id]` of each job to its place, `~`
-- and the lane. `aging`: the milliseconds of one step of priority, or nothing. `room`: the bytes that are
-- left (room.lua), or nothing.
local function take_turn(lane, most, places, aging, room)
  fall_due(lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  local _, limited = read_limits(limits)
  local note
  if limited ~= '' then
    local free, _, begin = rates().allowed_starts(limited, most, '@' .. lane, tonumber(busy or 0))
    most, note = math.min(most, free), begin
  end
  local ids = {}
  if first and most > 0 then
    ids = room and room.first({ first }) or { first }
    if #ids > 0 then
      redis.call('ZREM', key('lane:' .. lane), first)
      redis.call('HDEL', key('group:' .. lane), 'first')
    end
  elseif aging then
    ids = take_aged(lane, most, aging, room)
  elseif most > 0 and room then
    ids = room.first(redis.call('ZRANGE', key('lane:' .. lane), 0, most - 1))
    if #ids > 0 then
      redis.call('ZREM', key('lane:' .. lane), unpack(ids))
    end
  elseif most > 0 then
    local popped = redis.call('ZPOPMIN', key('lane:' .. lane), most)
    for i = 1, #popped, 2 do
      ids[#ids + 1] = popped[i]
    end
  end
  if #ids == 0 and room and room.is_full then
    -- The next job of the lane did not fit into this claim. The lane keeps its turn, so the next claim begins
    -- with this job.
    return ids
  end
  redis.call('ZREM', key(turns_of(lane)), lane)
  if #ids > 0 then
    for i, place in ipairs(redis.call('ZMSCORE', key('laned'), unpack(ids))) do
      places[ids[i]] = place .. '~' .. lane
    end
    redis.call('ZREM', key('laned'), unpack(ids))
    redis.call('HINCRBY', key('group:' .. lane), 'busy', #ids)
  end
  if note then
    note(#ids)
  end
  reposition(lane)
  return ids
end
