-- Tells listeners what happens to jobs (listening.lua).
-- needs: start, listening
-- gives: audience, is_heard, tell

-- `till`: the value of `listened` in `settings` (listening.lua), or '' if nobody listens; nothing if this
-- call has not read the value yet.
local audience = {}

-- Whether somebody listens.
local function is_heard()
  audience.till = audience.till or redis.call('HGET', key('settings'), 'listened') or ''
  return audience.till ~= ''
end

local function tell(kind, ids)
  if #ids > 0 and is_heard() then
    audience.till = listening().write_event(audience.till, kind, ids)
  end
end
