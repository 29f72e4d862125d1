-- Takes due jobs off a line, in order of place.

-- Set if the claim counts bytes (room.lua).
local room

-- The slow path, for lines with due jobs in the `due` half, with void entries, or if bytes are counted. It merges the
-- two halves. At the same millisecond the lower id goes first, because ids are in order of dispatch. Returns whether a
-- job did not fit.
local function merge(priority, limit, ids, places)
  local list, due, void = line('line', priority), line('due', priority), line('void', priority)
  local early = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit - #ids, 'WITHSCORES')
  local i, taken, before, is_over = 1, {}, #ids, false
  for round = 1, 10 do
    -- If bytes are counted, few jobs may fit: it reads a few heads, then twice as many.
    local wanted = room and math.min(limit - #ids, 8 * 2 ^ round) or limit - #ids
    local heads = redis.call('LRANGE', list, 0, wanted - 1)
    local voids = #heads > 0 and redis.call('SMISMEMBER', void, unpack(heads)) or {}
    local records = #heads > 0 and (early[i] or room) and redis.call('HMGET', key('jobs'), unpack(heads)) or {}
    local j, dropped = 1, {}
    while #ids < limit and not is_over and (early[i] or heads[j]) do
      local head = heads[j]
      if not head and #heads == wanted then
        -- Some heads were void: more of the list must be read before a due job may pass it.
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
    end
  end
  if #taken > 0 then
    redis.call('ZREM', due, unpack(taken))
  end
  return is_over
end

-- Appends to `ids` until there are `limit`. `places` gets the place of each job whose place is not the time it was
-- queued.
-- Returns whether the next job does not fit.
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

-- Set if priorities age: the milliseconds of one step (age.lua).
local aging

-- Takes jobs from each line in turn.
local function take_all(all, limit, ids, places)
  if aging then
    return (function()
-- include: age
    end)()(all, limit, ids, places)
  end
  for _, priority in ipairs(all) do
    if #ids < limit and take(priority, limit, ids, places) then
      return
    end
  end
end

-- Milliseconds until a job is due; 0 if one waits, -1 if there is none.
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

-- How many of the taken jobs may be handed out if only the first `limit` start at once: a job after these that must not
-- be prefetched ends the claim.
local function ahead_until(ids, limit)
  if #ids > limit and redis.call('EXISTS', key('direct')) == 1 then
    for i, direct in ipairs(redis.call('HMGET', key('direct'), unpack(ids))) do
      if i > limit and direct then
        return i - 1
      end
    end
  end
  return #ids
end
