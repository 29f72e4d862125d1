-- Pauses the partition for a time.
-- module: pauses
-- needs: start, pause, ring
-- gives: pause_for

-- Unless it is paused for longer. `because`: nothing, or `|` and why. The callers that wait learn when the pause ends.
local function pause_for(ms, because)
  if ms > (pause_left(redis.call('HGET', key('settings'), 'paused')) or 0) then
    redis.call('HSET', key('settings'), 'paused', string.format('%.0f', now + ms) .. because)
    ring(MAX_ITEMS, true)
  end
end
