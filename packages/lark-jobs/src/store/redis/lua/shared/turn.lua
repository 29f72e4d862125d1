-- Turns: which lane is next, and what it may begin.
--   turns     ZSET  lane -> turn: lanes of which a job may begin. The lowest is next
--   turns^<limiter>  the same of those of a limiter, whose jobs begin with permits only that the claimer has
--   limiters  ZSET  limiter -> how many lanes it has
--   asleep    ZSET  lane -> when one may begin. A lane that waits for one of its jobs to end is in neither
-- `settings` counts: turn, the last that was given; own, that of the jobs without a group.
-- include: opening

local function turns_of(lane)
  return 'turns' .. (string.match(lane, '%^.*$') or '')
end

-- Puts a lane where it belongs now.
local function stir_one(lane, kin)
  local turns = key(turns_of(lane))
  fall_due(lane)
  local at, is_over = opens_at(lane, kin)
  if is_over and redis.call('DEL', key('group:' .. lane)) == 1 then
    redis.call('HINCRBY', key('settings'), 'lanes', -1)
    local group, limiter = string.match(lane, '^(.-)%^(.*)$')
    if limiter then
      redis.call('ZREM', key('kin:' .. group), lane)
    end
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

-- Lanes, and all that are of their groups, in the order of their names: what made them change has none.
local function stir(lanes_given)
  local names, kins = {}, {}
  for _, lane in ipairs(lanes_given) do
    local kin = kin_of(lane)
    for _, each in ipairs({ lane, unpack(kin) }) do
      if not kins[each] then
        names[#names + 1], kins[each] = each, each == lane and kin or kin_of(each)
      end
    end
  end
  table.sort(names)
  for _, lane in ipairs(names) do
    stir_one(lane, kins[lane])
  end
end

local function stir_all()
  local names = {}
  for lane in pairs(touched) do
    names[#names + 1] = lane
  end
  touched = {}
  stir(names)
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
-- priorities, in milliseconds, or nothing.
local function take_turn(lane, most, places, aging)
  fall_due(lane)
  redis.call('ZREM', key(turns_of(lane)), lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  local strict, limited = read_limits(limits)
  local kin, note = kin_of(lane), nil
  first = first_of(lane, first)
  if limited ~= '' then
    local group = string.match(lane, '^[^^]*')
    local free, _, begin = permits(limited, most, '@' .. group, busy_with(kin, tonumber(busy or 0)))
    most, note = math.min(most, free), begin
  end
  if strict and is_behind(lane, kin, first) then
    most = 0
  end
  local ids = {}
  if first and most > 0 then
    ids = { first }
    redis.call('ZREM', key('lane:' .. lane), first)
    redis.call('HDEL', key('group:' .. lane), 'first')
  elseif aging then
    ids = take_aged(lane, most, aging)
  elseif most > 0 then
    local popped = redis.call('ZPOPMIN', key('lane:' .. lane), most)
    for i = 1, #popped, 2 do
      ids[#ids + 1] = popped[i]
    end
  end
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
  stir({ lane })
  return ids
end
