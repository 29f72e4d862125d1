-- The end of a call that has changed the due times of schedules or flows.
-- needs: start, ticks, ring, effects
-- gives: written

-- Rings `rings` callers for jobs, and one more caller if the next schedule or flow is now due earlier than
-- before this call. `flags`, `changed`: see tick.lua. `before`: the milliseconds until the next schedule or
-- flow was due before this call. Returns the milliseconds until the next schedule or flow is due now, or -1.
local function written(flags, changed, before, rings)
  local after = ticks().next_tick(flags, changed)
  local is_sooner = after and after < (before or math.huge)
  local heard = ring(rings + (is_sooner and 1 or 0), is_sooner)
  if made.effects then
    effects().ring_for_effects(heard)
  end
  return after or -1
end
