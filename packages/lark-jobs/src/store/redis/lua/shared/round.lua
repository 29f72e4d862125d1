-- Rounds: jobs of lanes, and those without a group, in fair turns.

-- The next jobs without a group, in the order of their lines, and their turn after that.
local function take_own(all, most, places)
  local ids = {}
  take_all(all, most, ids, places)
  redis.call('HSET', key('settings'), 'own', redis.call('HINCRBY', key('settings'), 'turn', 1))
  return ids
end

-- Whose turn it is, the next first, at most `most` of them: lanes, and false for the jobs without a group.
local function in_turn(all, most)
  local order, has_own = {}, next_due(all) == 0
  local own = tonumber(redis.call('HGET', key('settings'), 'own') or 0)
  local found = redis.call('ZRANGE', key('turns'), 0, most - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    if has_own and own < tonumber(found[i + 1]) then
      order[#order + 1], has_own = false, false
    end
    order[#order + 1] = found[i]
  end
  if has_own then
    order[#order + 1] = false
  end
  order[most + 1] = nil
  return order
end

-- Appends to `ids` until there are `most`: each in its turn as many as the others, one of each after the other.
return function(all, most, ids, places)
  for _, lane in ipairs(redis.call('ZRANGE', key('asleep'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)) do
    lanes().stir(lane)
  end
  for _ = 1, MAX_ITEMS do
    local left = most - #ids
    local order = left > 0 and in_turn(all, left) or {}
    if #order == 0 then
      return
    end
    local share, parts = math.floor(left / #order), {}
    for i, lane in ipairs(order) do
      parts[i] = lane and lanes().take_turn(lane, share, places) or take_own(all, share, places)
    end
    for i = 1, share do
      for _, part in ipairs(parts) do
        ids[#ids + 1] = part[i]
      end
    end
  end
end
