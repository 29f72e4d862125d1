-- Takes jobs that are due off a line, in order of place.

-- Where bytes are counted: what there is room for (room.lua).
local room

-- The slow way: when delayed jobs fell due, the list has void entries, or bytes are counted. Merges the
-- two halves; at the same millisecond the lower id goes first, since ids are in order of dispatch. Says whether a job does
-- not go along.
local function merge(priority, limit, ids, places)
  local list, due, void = line('line', priority), line('due', priority), line('void', priority)
  local early = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit - #ids, 'WITHSCORES')
  local i, taken, before, is_over = 1, {}, #ids, false
  for round = 1, 10 do
    -- Where bytes are counted, few may go: a few are looked at, then twice as many.
    local wanted = room and math.min(limit - #ids, 8 * 2 ^ round) or limit - #ids
    local heads = redis.call('LRANGE', list, 0, wanted - 1)
    local voids = #heads > 0 and redis.call('SMISMEMBER', void, unpack(heads)) or {}
    local records = #heads > 0 and (early[i] or room) and redis.call('HMGET', key('jobs'), unpack(heads)) or {}
    local j, dropped = 1, {}
    while #ids < limit and not is_over and (early[i] or heads[j]) do
      local head = heads[j]
      if not head and #heads == wanted then
        -- Some were void: more of the list must be seen before a due job may pass it.
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

-- Appends to `ids` until there are `limit`. `places` gets the place of those whose place is not the time they
-- were queued. Says whether there is no room for the next.
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

-- Milliseconds by which a job ages, where priorities do (age.lua).
local aging

-- So of every line in turn.
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

-- Milliseconds until a job falls due; 0 when one waits, -1 when none is known.
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

-- How many of the jobs taken may be handed out when only the first `limit` start at once: those before the first one
-- beyond it that must not be handed out ahead.
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
