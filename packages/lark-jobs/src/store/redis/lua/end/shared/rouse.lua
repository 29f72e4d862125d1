-- Rings callers for flows and effects that are due because jobs have ended.
-- needs: start, ring, end, effects
-- gives: rouse

-- `heard`: how many callers this call has rung already. If a flow is due, one more caller is rung. A caller
-- that was rung for jobs may get all jobs that it wants, and then its answer does not say that a flow is due.
local function rouse(heard)
  heard = heard + ring(ends.calls and 1 or 0, true)
  if made.effects then
    effects().ring_for_effects(heard)
  end
end
