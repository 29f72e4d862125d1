-- Turns: which lane is next, and what it may begin.
--   turns     ZSET  lane -> turn: lanes of which a job may begin. The lowest is next
--   turns^<limiter>  the same of those of a limiter, whose jobs begin with permits only that the claimer has
--   limiters  ZSET  limiter -> how many lanes it has
--   asleep    ZSET  lane -> when one may begin. A lane that waits for one of its jobs to end is in neither
-- `settings` counts: turn, the last that was given; own, that of the jobs without a group.
-- include: limit

-- Without end, as a number that Redis takes.
local NEVER = 2 ^ 53
-- Jobs that fall due, and lanes that wake, at most with one call.
local MAX_ITEMS = 1000
local falls = MAX_ITEMS

-- What fell due is due.
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

-- When a job of a lane may begin: 0 now, a time, or NEVER before something happens. And whether nothing is left of it.
local function opens_at(lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  busy = tonumber(busy or 0)
  local due, late = redis.call('ZCARD', key('lane:' .. lane)), key('late:' .. lane)
  local at, next_late = 0, due == 0 and redis.call('ZRANGE', late, 0, 0, 'WITHSCORES')[2]
  if due == 0 then
    at = next_late and tonumber(next_late) or NEVER
  end
  local place = first and redis.call('ZSCORE', late, first)
  if place then
    at = tonumber(place)
  elseif first and not redis.call('ZSCORE', key('lane:' .. lane), first) then
    redis.call('HDEL', key('group:' .. lane), 'first')
  end
  local group = string.match(lane, '^[^^]*')
  local till = paused_until(group)
  at = till > now and math.max(at, till) or at
  local _, limited = read_limits(limits)
  if at == 0 and limited ~= '' then
    local free, wait = permits(limited, 1, '@' .. lane, busy)
    at = free > 0 and 0 or wait >= 0 and now + wait or NEVER
  end
  return at, due == 0 and not next_late and busy == 0
end

local function turns_of(lane)
  return 'turns' .. (string.match(lane, '%^.*$') or '')
end

-- Puts a lane where it belongs now.
local function stir(lane)
  local turns = key(turns_of(lane))
  fall_due(lane)
  local at, is_over = opens_at(lane)
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

-- In the order of their names: what made them change has none.
local function stir_all()
  local names = {}
  for lane in pairs(touched) do
    names[#names + 1] = lane
  end
  touched = {}
  table.sort(names)
  for _, lane in ipairs(names) do
    stir(lane)
  end
end

-- Milliseconds until a job of a lane may begin, or -1; `due`: the same of all others.
local function next_turn(due)
  if due == 0 or redis.call('EXISTS', key('turns')) == 1 then
    return 0
  end
  local wakes = redis.call('ZRANGE', key('asleep'), 0, 0, 'WITHSCORES')[2]
  local rest = wakes and math.max(wakes - now, 0) or -1
  return (due < 0 or rest >= 0 and rest < due) and rest or due
end

-- Takes the next jobs of a lane whose turn it is. `places` gets their places with `~` and the lane behind. `aging`: of
-- priorities, in milliseconds, or nothing. `room`: for which of them there is room (room.lua), or nothing.
local function take_turn(lane, most, places, aging, room)
  fall_due(lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  local _, limited = read_limits(limits)
  local note
  if limited ~= '' then
    local free, _, begin = permits(limited, most, '@' .. lane, tonumber(busy or 0))
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
    -- It keeps its turn: the next claim has room for its job.
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
  stir(lane)
  return ids
end
