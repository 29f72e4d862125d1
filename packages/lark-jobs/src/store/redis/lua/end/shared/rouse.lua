-- Rings for what has become due because jobs ended.
-- needs: start, ring, end, effects
-- gives: rouse

-- `heard`: how many callers this call has rung already. A flow needs one of its own: the others may find so
-- many jobs that they do not learn that it is due.
local function rouse(heard)
  heard = heard + ring(ends.calls and 1 or 0, true)
  if made.effects then
    effects().ring_for_effects(heard)
  end
end
