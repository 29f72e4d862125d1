-- Opening: when a job of a lane may begin.
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

-- The job that goes before all others of a lane, if there is one that has not begun, and its place when it is late.
-- `first`: as the lane says.
local function first_of(lane, first)
  local place = first and redis.call('ZSCORE', key('late:' .. lane), first)
  if first and not place and not redis.call('ZSCORE', key('lane:' .. lane), first) then
    redis.call('HDEL', key('group:' .. lane), 'first')
    return
  end
  return first, tonumber(place)
end
-- include: kin

-- When a job of a lane may begin: 0 now, a time, or NEVER before something happens. And whether nothing is left of it.
local function opens_at(lane, kin)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  busy = tonumber(busy or 0)
  local due, late = redis.call('ZCARD', key('lane:' .. lane)), key('late:' .. lane)
  local at, next_late = 0, due == 0 and redis.call('ZRANGE', late, 0, 0, 'WITHSCORES')[2]
  if due == 0 then
    at = next_late and tonumber(next_late) or NEVER
  end
  local place
  first, place = first_of(lane, first)
  at = place or at
  local group = string.match(lane, '^[^^]*')
  local till = paused_until(group)
  at = till > now and math.max(at, till) or at
  local strict, limited = read_limits(limits)
  if at == 0 and limited ~= '' then
    local free, wait = permits(limited, 1, '@' .. group, busy_with(kin, busy))
    at = free > 0 and 0 or wait >= 0 and now + wait or NEVER
  end
  at = strict and at == 0 and is_behind(lane, kin, first) and NEVER or at
  return at, due == 0 and not next_late and busy == 0
end
