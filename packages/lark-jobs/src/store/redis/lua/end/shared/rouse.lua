-- Rings for flows and effects that are due because jobs ended.
-- needs: start, ring, end, effects
-- gives: rouse

-- `heard`: how many callers this call has rung already. A flow needs a ring of its own, because the callers
-- that were rung may find so many jobs that they do not learn that the flow is due.
local function rouse(heard)
  heard = heard + ring(ends.calls and 1 or 0, true)
  if made.effects then
    effects().ring_for_effects(heard)
  end
end
