-- Completes a call that has changed when schedules or flows are due.
-- needs: start, ticks, ring, effects
-- gives: written

-- Rings `rings` callers for jobs, and one more if a schedule or a flow is now due earlier than before.
-- `flags`, `changed`: as in tick.lua. `before`: the milliseconds until one was due before the call. Returns
-- the milliseconds until one is due now, or -1.
local function written(flags, changed, before, rings)
  local after = ticks().next_tick(flags, changed)
  local is_sooner = after and after < (before or math.huge)
  local heard = ring(rings + (is_sooner and 1 or 0), is_sooner)
  if made.effects then
    effects().ring_for_effects(heard)
  end
  return after or -1
end
