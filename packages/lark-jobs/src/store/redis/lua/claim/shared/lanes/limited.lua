-- Returns `limiter=count,…`: for each limiter, how many more jobs could begin if the claimer had permits for
-- them. The count is a lower bound, because only one job of each group counts. All due jobs without a group
-- count.
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
