-- Rounds: takes jobs of lanes, and jobs without a lane, in fair turns.

-- Takes the next jobs without a lane, in the order of their lines, and gives them their next turn.
local function take_own(all, most, places)
  local ids = {}
  take_all(all, most, ids, places)
  if #ids == 0 then
    -- These jobs keep their turn: they fit into the next claim.
    return ids
  end
  redis.call('HSET', key('settings'), 'own', redis.call('HINCRBY', key('settings'), 'turn', 1))
  return ids
end

-- The lanes whose turn it is, the next first, at most `most`; '' stands for the jobs without a lane. `permits`: how
-- many jobs of each limiter may begin.
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

-- Appends to `ids` until there are `most`. Each lane gives as many jobs as the others; the ids alternate between lanes.
-- ARGV[8] has the permits.
return function(all, most, ids, places)
  local permits = {}
  for limiter, count in string.gmatch(ARGV[8], '([^;,=]+)=(%d+)') do
    permits[limiter] = tonumber(count)
  end
  for _, lane in ipairs(redis.call('ZRANGE', key('asleep'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)) do
    lanes().stir(lane)
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
        -- Each lane has its share of the bytes, and gives at least one job.
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
