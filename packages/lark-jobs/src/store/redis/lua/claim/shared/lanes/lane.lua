-- A lane holds the waiting and delayed jobs of one group that need permits of the same limiter. These jobs
-- are separate from all other jobs, so that no claim has to skip jobs that may not begin. The name of a lane
-- is the name of its group (or '' for no group), and if there is a limiter, `^` and the name of the limiter.
--   laned         ZSET  id -> place: all waiting and delayed jobs in lanes
--   lane:<name>   ZSET  id -> rank: the jobs that are due, by priority and place
--   late:<name>   ZSET  id -> place: the jobs that are due later
--   group:<name>  HASH  limits: as in a record (`packing.ts`); busy: how many jobs are active;
--                       first: in a strict group, the id of the job that goes before all others
--   paused        ZSET  group -> when its pause ends
--   pausers       HASH  group -> when a person paused it, and who it was (`store/contract/rules/pause.ts`)
-- `lanes` in `settings` is the number of lanes with a `group` hash. A script that changes a lane must call
-- `reposition_all` (turn.lua) at its end.
-- module: lanes
-- needs: start
-- gives: ABOVE, touched, rank, read_limits, enter_all, put_in_lane, leave_lane, end_busy, paused_until, pause

-- A number larger than any time in milliseconds.
local ABOVE = 2 ^ 42
local touched = {}

-- Splits the name of a line, such as `5@lane`, into its priority and its lane.
local function split(name)
  local priority, lane = string.match(name, '^(-?%d*)@(.*)$')
  return tonumber(priority) or 0, lane
end

-- The score of a job in a lane, which orders jobs by priority and then by place. The score is negative for a
-- priority above 100. Scores are exact, because they are below 1,101 * 2^42, and Lua and Redis represent
-- whole numbers up to 2^53 exactly.
local function rank(priority, place)
  return string.format('%.0f', (100 - priority) * ABOVE + place)
end

-- Creates a lane if it does not exist, and stores the limits of its group. If `limits` is `=`, the stored
-- limits stay.
local function open(lane, limits)
  local is_new = redis.call('EXISTS', key('group:' .. lane)) == 0
  if is_new then
    redis.call('HINCRBY', key('settings'), 'lanes', 1)
    local limiter = string.match(lane, '%^(.*)$')
    if limiter then
      redis.call('ZINCRBY', key('limiters'), 1, limiter)
    end
  end
  if is_new or limits ~= '=' then
    redis.call('HSET', key('group:' .. lane), 'limits', limits == '=' and '' or limits)
  end
  touched[lane] = true
end

-- Returns whether the group is strict, and the limits of the group in the form that `allowed_starts` reads,
-- or ''. Damaged limits count as no limits, until the next job of the group brings new limits.
local function read_limits(text)
  local strict, limits = string.match(text or '', '^(o?)(.*)$')
  local kind, rate = string.match(limits, '^%d*:([^:]*)(:%d*:%d*:%d*)$')
  if kind ~= '' and not string.find(rate or '', '^:%d+:%d+:') then
    limits = ''
  end
  return strict == 'o', (string.gsub(limits, ':', '|'))
end

-- Adds new jobs to a lane. Returns how many callers to ring.
local function enter_all(name, limits, ids, place)
  local priority, lane = split(name)
  open(lane, limits)
  local is_due, late, scored, ranked = place <= now, key('late:' .. lane), {}, {}
  for i, id in ipairs(ids) do
    scored[2 * i - 1], scored[2 * i] = place, id
    ranked[2 * i - 1], ranked[2 * i] = rank(priority, place), id
  end
  redis.call('ZADD', key('laned'), unpack(scored))
  if is_due then
    redis.call('ZADD', key('lane:' .. lane), unpack(ranked))
    return #ids
  end
  redis.call('ZADD', late, unpack(scored))
  return tonumber(redis.call('ZRANGE', late, 0, 0, 'WITHSCORES')[2]) == place and 1 or 0
end

-- Puts a job into a lane, as `put` in place.lua does for a line. `is_back`: the job has been claimed before,
-- so in a strict group it goes before all other jobs of its lane.
local function put_in_lane(id, name, place, is_back)
  local priority, lane = split(name)
  if redis.call('EXISTS', key('group:' .. lane)) == 0 then
    open(lane, string.match(redis.call('HGET', key('jobs'), id) or '', '^[^,|]*,[^,|~]*~([^,|]*)') or '')
  end
  touched[lane] = true
  redis.call('ZADD', key('laned'), place, id)
  if is_back and read_limits(redis.call('HGET', key('group:' .. lane), 'limits')) then
    redis.call('HSET', key('group:' .. lane), 'first', id)
  end
  local late = key('late:' .. lane)
  if place <= now then
    redis.call('ZREM', late, id)
    redis.call('ZADD', key('lane:' .. lane), rank(priority, place), id)
    return false
  end
  redis.call('ZREM', key('lane:' .. lane), id)
  redis.call('ZADD', late, place, id)
  return redis.call('ZRANGE', late, 0, 0)[1] == id
end

-- Takes a job out of a lane, as `leave` in place.lua does for a line.
local function leave_lane(id, name)
  local _, lane = split(name)
  touched[lane] = true
  redis.call('ZREM', key('laned'), id)
  redis.call('ZREM', key('lane:' .. lane), id)
  redis.call('ZREM', key('late:' .. lane), id)
end

-- Notes that the job with this holder field is no longer active, so that its lane has one active job less.
local function end_busy(holder)
  local lane = string.match(holder or '', '~(.*)$')
  if lane then
    touched[lane] = true
    redis.call('HINCRBY', key('group:' .. lane), 'busy', -1)
  end
end

local function paused_until(group)
  return tonumber(redis.call('ZSCORE', key('paused'), group) or 0)
end

-- Pauses a group until the time `till`, or resumes the group if this time is not later than now. `by`: a
-- separator and the name of the person who pauses the group, or ''. Returns whether the group has lanes.
local function pause(group, till, by)
  if till > now then
    redis.call('ZADD', key('paused'), string.format('%.0f', till), group)
  else
    redis.call('ZREM', key('paused'), group)
  end
  if till > now and by ~= '' then
    redis.call('HSET', key('pausers'), group, string.format('%.0f', now) .. by)
  else
    redis.call('HDEL', key('pausers'), group)
  end
  local lanes_of = { group }
  for _, limiter in ipairs(redis.call('ZRANGE', key('limiters'), 0, -1)) do
    lanes_of[#lanes_of + 1] = group .. '^' .. limiter
  end
  local has_lanes = false
  for _, lane in ipairs(lanes_of) do
    if redis.call('EXISTS', key('group:' .. lane)) == 1 then
      touched[lane], has_lanes = true, true
    end
  end
  return has_lanes
end
