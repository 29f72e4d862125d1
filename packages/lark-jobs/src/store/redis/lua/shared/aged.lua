-- Jobs of a lane in the order of places that age (age.lua). A lane has all its priorities in one set, so their heads are
-- looked up from the highest down, each behind the last of the one before.

-- The id of the next one; nothing when none is due.
local function next_aged(lane, aging)
  local first, least, from = nil, math.huge, '-inf'
  -- From priority 100 to -100.
  for _ = 0, 200 do
    local head = redis.call('ZRANGE', key('lane:' .. lane), from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if not head[1] then
      break
    end
    local steps = math.floor(tonumber(head[2]) / ABOVE)
    local place = tonumber(head[2]) - steps * ABOVE + steps * aging
    if place < least then
      first, least = head[1], place
    end
    from = string.format('%.0f', (steps + 1) * ABOVE)
  end
  return first
end

-- Takes so many out of the lane.
local function take_aged(lane, most, aging)
  local ids = {}
  for i = 1, most do
    local id = next_aged(lane, aging)
    if not id then
      break
    end
    redis.call('ZREM', key('lane:' .. lane), id)
    ids[i] = id
  end
  return ids
end
