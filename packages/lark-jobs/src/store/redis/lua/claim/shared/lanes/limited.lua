-- For each limiter, how many jobs at least could begin if the claimer had permits: one for each lane with a
-- group, and all due jobs of the lane without a group. As `limiter=count,…`.
-- module: lanes
-- needs: start, turn
-- gives: limited
local function limited()
  local waiting = {}
  for _, limiter in ipairs(redis.call('ZRANGE', key('limiters'), 0, -1)) do
    local turns, own = key('turns^' .. limiter), '^' .. limiter
    local count = redis.call('ZCARD', turns)
    if count > 0 and redis.call('ZSCORE', turns, own) then
      fall_due(own)
      count = math.min(count - 1 + redis.call('ZCARD', key('lane:' .. own)), MAX_ITEMS)
    end
    if count > 0 then
      waiting[#waiting + 1] = limiter .. '=' .. count
    end
  end
  return table.concat(waiting, ',')
end
