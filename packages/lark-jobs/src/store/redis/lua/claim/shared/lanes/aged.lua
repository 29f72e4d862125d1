-- Takes jobs of a lane when priorities age, in the same order as `take_aging` in order.lua. One sorted set
-- has the jobs of all priorities of a lane, while each priority without a lane has a line of its own.
-- module: lanes
-- needs: start, lane
-- gives: take_aged

-- The first due job of a lane whose rank is at least `from`; nothing if there is none. `place`: the aged
-- place of the job. `steps`: 100 minus the priority of the job.
local function head_from(lane, from, aging)
  local id, at = unpack(redis.call('ZRANGE', key('lane:' .. lane), from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES'))
  if id then
    local steps = math.floor(tonumber(at) / ABOVE)
    return { id = id, steps = steps, place = tonumber(at) - steps * ABOVE + steps * aging }
  end
end

local function rank_of(steps)
  return string.format('%.0f', steps * ABOVE)
end

-- The first due job of each priority of the lane, the highest priority first.
local function heads_of(lane, aging)
  local heads, from = {}, '-inf'
  for _ = 0, 2000 do
    local head = head_from(lane, from, aging)
    if not head then
      break
    end
    heads[#heads + 1], from = head, rank_of(head.steps + 1)
  end
  return heads
end

-- Takes at most `most` jobs out of the lane, and only jobs that fit into `room`. Of two jobs with the same
-- aged place, the job with the higher priority goes first.
local function take_aged(lane, most, aging, room)
  local ids, heads = {}, most > 0 and heads_of(lane, aging) or {}
  while #ids < most and #heads > 0 do
    local first = 1
    for i = 2, #heads do
      first = heads[i].place < heads[first].place and i or first
    end
    local id, steps = heads[first].id, heads[first].steps
    if room and not room.takes(redis.call('HGET', key('jobs'), id), #ids > 0) then
      break
    end
    redis.call('ZREM', key('lane:' .. lane), id)
    ids[#ids + 1] = id
    local behind = head_from(lane, rank_of(steps), aging)
    if behind and behind.steps == steps then
      heads[first] = behind
    else
      table.remove(heads, first)
    end
  end
  return ids
end
