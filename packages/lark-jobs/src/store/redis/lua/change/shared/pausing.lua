-- Pauses the partition for a time.
-- module: pausing
-- needs: start, pause, ring
-- gives: pause_for

-- Pauses the partition, unless it is already paused for longer. `because`: `|` and the reason, or nothing. If
-- the partition was not paused before, waiting callers are rung, so that they learn when the pause ends. If
-- the partition was paused already, no caller is rung: many jobs may pause their queue at the same time, and
-- each waiting caller asks again when the earlier pause ends.
local function pause_for(ms, because)
  local kept = redis.call('HGET', key('settings'), 'paused')
  local left = pause_left(kept)
  if ms > (left or 0) then
    redis.call('HSET', key('settings'), 'paused', string.format('%.0f', now + ms) .. limits_in(kept) .. because)
    if not left then
      ring(MAX_ITEMS, true)
    end
  end
end
