-- list-lanes: returns a page of the lanes in one state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the state: paused, turn, asleep or busy (contract/page.ts)
-- ARGV[3]  how many lanes to read; for `paused`, how many groups
-- ARGV[4]  the first part of the place of the last lane on the previous page, or '' for the first page
-- ARGV[5]  the second part of this place. The two parts are: for `turn`, the limiter and the turn; for
--          `busy`, '' and the name of the lane; for `asleep`, the end of the wait and the name of the lane;
--          for `paused`, the end of the pause and the name of the group
-- Returns  { for each lane its name, the end of its pause or of its wait or '', how many of its jobs are
--          waiting or delayed, and how many are active; the place of the last lane, or nothing if no lanes
--          follow }
-- Cost     O(n + log m) for n of m lanes; for `busy` also O(a) for a active jobs
-- needs: start, page

local state, limit, place, last = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local lanes, mark = {}, {}

local function add(lane, till)
  local pending = redis.call('ZCARD', key('lane:' .. lane)) + redis.call('ZCARD', key('late:' .. lane))
  lanes[#lanes + 1] = { lane, till, pending, tonumber(redis.call('HGET', key('group:' .. lane), 'busy') or 0) }
end

local function limiters()
  local names = redis.call('ZRANGE', key('limiters'), 0, -1)
  table.sort(names, is_before)
  return names
end

local function is_paused(lane)
  return (tonumber(redis.call('ZSCORE', key('paused'), string.match(lane, '^[^^]*'))) or 0) > now
end

-- The names and scores in a sorted set that come after the last lane of the previous page, from the rank
-- `from` on.
local function entries(name, from)
  local start = place ~= '' and passed(name, place, last, true) or 0
  start = math.max(start, from)
  local found = redis.call('ZRANGE', name, start, start + limit - 1, 'WITHSCORES')
  mark = #found == 2 * limit and { found[#found], found[#found - 1] } or {}
  return found
end

local function add_paused()
  local found = entries(key('paused'), redis.call('ZCOUNT', key('paused'), '-inf', now))
  local all = limiters()
  for i = 1, #found, 2 do
    local group, count = found[i], #lanes
    for n = 0, #all do
      local lane = group .. (n > 0 and '^' .. all[n] or '')
      if redis.call('EXISTS', key('group:' .. lane)) == 1 then
        add(lane, found[i + 1])
      end
    end
    if #lanes == count then
      add(group, found[i + 1])
    end
  end
end

local function add_asleep()
  local found = entries(key('asleep'), 0)
  for i = 1, #found, 2 do
    if not is_paused(found[i]) then
      add(found[i], found[i + 1])
    end
  end
end

local function add_turns()
  local all = limiters()
  for n = 0, #all do
    local limiter = all[n] or ''
    if limit > #lanes and not is_before(limiter, place) then
      local turns = key('turns' .. (n > 0 and '^' .. limiter or ''))
      local from = limiter == place and last ~= '' and '(' .. last or '-inf'
      local found = redis.call('ZRANGEBYSCORE', turns, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit - #lanes)
      for i = 1, #found, 2 do
        add(found[i], '')
        mark = { limiter, found[i + 1] }
      end
    end
  end
  mark = #lanes == limit and mark or {}
end

-- A lane that waits until one of its jobs ends is in no set. So the function finds such lanes by their active
-- jobs.
local function add_busy()
  local known, names = {}, {}
  for _, holder in ipairs(redis.call('HVALS', key('holders'))) do
    local lane = string.match(holder, '~(.*)$')
    if lane and not known[lane] and is_before(last, lane) then
      known[lane], names[#names + 1] = true, lane
    end
  end
  table.sort(names, is_before)
  for i, lane in ipairs(names) do
    if i > limit then
      mark = { '', names[limit] }
      return
    end
    local turns = key('turns' .. (string.match(lane, '%^.*$') or ''))
    if not redis.call('ZSCORE', turns, lane) and not redis.call('ZSCORE', key('asleep'), lane) and not is_paused(lane) then
      add(lane, '')
    end
  end
end

({ paused = add_paused, asleep = add_asleep, turn = add_turns, busy = add_busy })[state]()
return { lanes, mark }
