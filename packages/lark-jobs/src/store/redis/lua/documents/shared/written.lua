-- The end of a call that has changed when schedules or flows are due.
-- needs: start, ticks, ring, effects
-- gives: written

-- `flags`, `changed`: as in tick.lua. `before`: the milliseconds until a schedule or a flow was due before
-- the call. `rings`: how many callers to ring for jobs. One more is rung if something is due earlier now.
-- Returns the milliseconds until one is due, or -1.
local function written(flags, changed, before, rings)
  local after = ticks().next_tick(flags, changed)
  local is_sooner = after and after < (before or math.huge)
  local heard = ring(rings + (is_sooner and 1 or 0), is_sooner)
  if made.effects then
    effects().ring_for_effects(heard)
  end
  return after or -1
end
