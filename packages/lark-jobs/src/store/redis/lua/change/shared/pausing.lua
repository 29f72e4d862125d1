-- Pauses the partition for a time.
-- module: pausing
-- needs: start, pause, ring
-- gives: pause_for

-- Pauses the partition, unless it is already paused for longer. `because`: nothing, or `|` and why. Waiting
-- callers are rung to learn when the pause ends. Callers that know an earlier end learn the new one at that
-- time. (Many jobs may pause their queue at the same time.)
local function pause_for(ms, because)
  local left = pause_left(redis.call('HGET', key('settings'), 'paused'))
  if ms > (left or 0) then
    redis.call('HSET', key('settings'), 'paused', string.format('%.0f', now + ms) .. because)
    if not left then
      ring(MAX_ITEMS, true)
    end
  end
end
