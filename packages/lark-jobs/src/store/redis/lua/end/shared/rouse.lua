-- Rings callers for flows and effects that are due because jobs have ended.
-- needs: start, ring, end, effects
-- gives: rouse

-- `heard`: how many callers this call has rung already. One more caller is rung for a flow: the callers that
-- were rung for jobs may get all jobs that they want, and then their answers do not say that the flow is due.
local function rouse(heard)
  heard = heard + ring(ends.calls and 1 or 0, true)
  if made.effects then
    effects().ring_for_effects(heard)
  end
end
