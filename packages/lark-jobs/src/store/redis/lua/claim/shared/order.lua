-- Decides in which order claims take jobs.
--
-- 1. Lanes take turns (`take_turns`). All jobs without a lane together count as one more lane.
-- 2. Among the jobs without a lane, the line of the highest priority goes first (`take_lines`). If priorities
--    age, the line whose first job has the lowest aged place goes first (`take_aging`). For the jobs of a
--    lane, see turn.lua and aged.lua.
-- 3. In a line, the job with the lowest place goes first. Of jobs with the same place, the job with the
--    lowest id goes first, because ids are in the order of the dispatches.
-- needs: start, line, lanes
-- gives: room, sweeps, aging, take, take_lines, take_turns, next_due, prefetch_until

-- The bytes of jobs that the claim may still hand out (room.lua); nothing if the partition has no large jobs.
local room

-- How many more entries of lists this call may check for void entries. The call goes on with a list only
-- while all checked entries are void.
local sweeps = 10000

-- Removes void entries from the head of a list: entries of jobs that were cancelled or removed while they
-- waited. There may be a hundred thousand void entries, and each takes 0.5 µs. So one call removes only about
-- 10,000 of them, and the next call goes on. (The number of lists needs no limit, because there are at most
-- 256 lines.)
local function drop_voids(list, void)
  local size, count = 2, 2
  while count == size and sweeps > 0 do
    size = math.min(8 * size, MAX_ITEMS)
    local heads = redis.call('LRANGE', list, 0, size - 1)
    local voids = #heads > 0 and redis.call('SMISMEMBER', void, unpack(heads)) or {}
    sweeps, count = sweeps - #heads, 0
    while voids[count + 1] == 1 do
      count = count + 1
    end
    if count > 0 then
      redis.call('LPOP', list, count)
      redis.call('SREM', void, unpack(heads, 1, count))
    end
  end
end

-- The slow path of `take`: merges the two halves of a line, skips void entries, and counts bytes. Of two jobs
-- with the same place, the job with the lower id goes first. Returns whether the next job did not fit.
local function merge(priority, limit, ids, places)
  local list, due, void = line('line', priority), line('due', priority), line('void', priority)
  local early = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit - #ids, 'WITHSCORES')
  local i, taken, before, is_over = 1, {}, #ids, false
  for round = 1, 10 do
    -- If bytes are counted, perhaps only a few jobs fit. So the first round reads 16 entries, and each
    -- further round reads twice as many.
    local wanted = room and math.min(limit - #ids, 8 * 2 ^ round) or limit - #ids
    local heads = redis.call('LRANGE', list, 0, wanted - 1)
    local voids = #heads > 0 and redis.call('SMISMEMBER', void, unpack(heads)) or {}
    local records = #heads > 0 and (early[i] or room) and redis.call('HMGET', key('jobs'), unpack(heads)) or {}
    local j, dropped = 1, {}
    while #ids < limit and not is_over and (early[i] or heads[j]) do
      local head = heads[j]
      if not head and #heads == wanted then
        -- This round has used all the entries that it read, and the list may have more. The next entry may go
        -- before the next job of the `due` half, so more entries must be read first.
        break
      end
      local place = head and early[i] and queued(head, records[j])
      if head and voids[j] == 1 then
        dropped[#dropped + 1] = head
        j = j + 1
      elseif early[i] and (not head or tonumber(early[i + 1]) < place
        or (tonumber(early[i + 1]) == place and early[i] < head)) then
        is_over = room and not room.takes(redis.call('HGET', key('jobs'), early[i]), #ids > before)
        if not is_over then
          ids[#ids + 1], taken[#taken + 1] = early[i], early[i]
          places[early[i]] = early[i + 1]
          i = i + 2
        end
      else
        is_over = room and not room.takes(records[j], #ids > before)
        if not is_over then
          ids[#ids + 1] = head
          j = j + 1
        end
      end
    end
    if j > 1 then
      redis.call('LPOP', list, j - 1)
    end
    if #dropped > 0 then
      redis.call('SREM', void, unpack(dropped))
    end
    if #ids == limit or is_over or #dropped == 0 and (#heads < wanted or not room) then
      break
    elseif #dropped > 0 then
      drop_voids(list, void)
    end
  end
  if #taken > 0 then
    redis.call('ZREM', due, unpack(taken))
  end
  return is_over
end

-- Takes jobs out of one line, and appends their ids to `ids` until `ids` has `limit` ids. If the place of a
-- job differs from the time at which the job was queued, `places` gets the place. Returns whether the next
-- job does not fit.
local function take(priority, limit, ids, places)
  local list, due, void = line('line', priority), line('due', priority), line('void', priority)
  if room or redis.call('EXISTS', due, void) > 0 then
    return merge(priority, limit, ids, places)
  end
  local popped = redis.call('LPOP', list, limit - #ids)
  if popped then
    for _, id in ipairs(popped) do
      ids[#ids + 1] = id
    end
  elseif priority ~= '' then
    redis.call('ZREM', key('priorities'), priority)
  end
end

-- The milliseconds of one step of priority, if priorities age.
local aging

-- Takes jobs from the lines when priorities age: a job with a priority of 1 goes before jobs of priority 0
-- that were queued up to `aging` milliseconds earlier. Stored places do not change: the function computes the
-- aged places of the first jobs of the lines, and compares them.
local function take_aging(all, limit, ids, places)
  -- The aged place of the first due job of a line; infinite if no job is due.
  local function aged_place(priority)
    local list, void = line('line', priority), line('void', priority)
    local function first()
      local head = redis.call('LRANGE', list, 0, 0)[1]
      return head and redis.call('SISMEMBER', void, head) == 0 and head
    end
    local head = first()
    if head == false then
      drop_voids(list, void)
      head = first()
    end
    local place = head and queued(head, redis.call('HGET', key('jobs'), head))
    local due = redis.call('ZRANGE', line('due', priority), '-inf', now, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    place = math.min(place or math.huge, tonumber(due) or math.huge)
    return place - (tonumber(priority) or 0) * aging
  end

  local heads = {}
  for i, priority in ipairs(all) do
    heads[i] = aged_place(priority)
  end
  while #ids < limit do
    -- Of lines with equal aged places, the first line wins, because it has the highest priority.
    local first = 1
    for i = 2, #heads do
      first = heads[i] < heads[first] and i or first
    end
    local before = #ids
    if heads[first] < math.huge then
      take(all[first], before + 1, ids, places)
    end
    if #ids == before then
      return
    end
    heads[first] = aged_place(all[first])
  end
end

-- Takes jobs from the lines, the highest priority first.
local function take_lines(all, limit, ids, places)
  if aging then
    return take_aging(all, limit, ids, places)
  end
  for _, priority in ipairs(all) do
    if #ids < limit and take(priority, limit, ids, places) then
      return
    end
  end
end

-- Milliseconds until a job of these lines is due: 0 if a job is due now, -1 if there is no job.
local function next_due(all)
  local nearest = -1
  for _, priority in ipairs(all) do
    local length = redis.call('LLEN', line('line', priority))
    if length > 0 and length > redis.call('SCARD', line('void', priority)) then
      return 0
    end
    local score = redis.call('ZRANGE', line('due', priority), 0, 0, 'WITHSCORES')[2]
    if score then
      local rest = math.max(score - now, 0)
      if nearest < 0 or rest < nearest then
        nearest = rest
      end
    end
  end
  return nearest
end

-- Takes jobs of lanes, and jobs without a lane, in fair turns: each lane gives the same number of jobs, and
-- `ids` gets one job of each lane after the other. `permitted`: `limiter=count,…`, for each limiter the
-- number of jobs for which the claimer has permits.
local function take_turns(all, most, ids, places, permitted)
  -- Takes the next jobs without a lane, in the order of their lines. After that, the jobs without a lane have
  -- the last turn of all.
  local function take_own(all, most, places)
    local ids = {}
    take_lines(all, most, ids, places)
    if #ids == 0 then
      -- The next job did not fit into this claim, so the jobs without a lane keep their turn for the next
      -- claim.
      return ids
    end
    redis.call('HSET', key('settings'), 'own', redis.call('HINCRBY', key('settings'), 'turn', 1))
    return ids
  end

  -- Returns at most `most` lanes with jobs that may begin, in the order of their turns. '' stands for the
  -- jobs without a lane. `permits`: how many jobs of each limiter may begin.
  local function in_turn(all, most, permits)
    local order = {}
    local function add(suffix, count)
      local found = count > 0 and redis.call('ZRANGE', key('turns' .. suffix), 0, count - 1, 'WITHSCORES') or {}
      for i = 1, #found, 2 do
        order[#order + 1] = { lane = found[i], turn = tonumber(found[i + 1]) }
      end
    end
    add('', most)
    for limiter, count in pairs(permits) do
      add('^' .. limiter, math.min(most, count))
    end
    if next_due(all) == 0 then
      order[#order + 1] = { lane = '', turn = tonumber(redis.call('HGET', key('settings'), 'own') or 0) }
    end
    table.sort(order, function(a, b)
      return a.turn < b.turn
    end)
    for i = most + 1, #order do
      order[i] = nil
    end
    return order
  end

  local permits = {}
  for limiter, count in string.gmatch(permitted, '([^;,=]+)=(%d+)') do
    permits[limiter] = tonumber(count)
  end
  for _, lane in ipairs(redis.call('ZRANGE', key('asleep'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)) do
    lanes().reposition(lane)
  end
  for _ = 1, MAX_ITEMS do
    local left = most - #ids
    local order = left > 0 and not (room and room.is_full) and in_turn(all, left, permits) or {}
    if #order == 0 then
      return
    end
    local share, parts = math.floor(left / #order), {}
    for i, each in ipairs(order) do
      local limiter = string.match(each.lane, '%^(.*)$')
      local part = math.min(share, limiter and permits[limiter] or share)
      if room then
        -- Each lane may use its share of the bytes that are left. Only the first job of a lane may be larger
        -- than this share.
        part = room.is_full and 0 or part
        room.floor = room.left - room.left / (#order - i + 1)
      end
      parts[i] = each.lane == '' and part > 0 and take_own(all, part, places)
        or part > 0 and lanes().take_turn(each.lane, part, places, aging, room) or {}
      if limiter then
        permits[limiter] = permits[limiter] - #parts[i]
      end
    end
    for i = 1, share do
      for _, part in ipairs(parts) do
        ids[#ids + 1] = part[i]
      end
    end
  end
end

-- Returns how many of the taken jobs may be handed out. The first `limit` jobs start at once, and the jobs
-- after them are prefetched. The claim ends before the first job that would be prefetched but must not be.
local function prefetch_until(ids, limit)
  if #ids > limit and redis.call('EXISTS', key('direct')) == 1 then
    for i, no_prefetch in ipairs(redis.call('HMGET', key('direct'), unpack(ids))) do
      if i > limit and no_prefetch then
        return i - 1
      end
    end
  end
  return #ids
end
