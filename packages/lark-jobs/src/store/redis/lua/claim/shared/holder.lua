-- Who holds a job.
--   holders  HASH  id -> token | [start] [@ place in its line, if that is not the time it was queued] [~ its
--                  lane]
--                  start: '' has started; a, prefetched and not started; s, a suspect that has not started;
--                  b, a suspect that has started beside other jobs
-- gives: is_held, read_holder, has_begun

local function is_held(holder, token)
  return holder and string.sub(holder, 1, #token + 1) == token .. '|'
end

-- Parses a holder: the token, the start, the place, and the lane or ''.
local function read_holder(holder)
  local token, start, place, lane = string.match(holder, '^(.*)|([asb]?)@?(%d*)~?(.*)$')
  return token, start, tonumber(place), lane
end

-- Whether a job counts as started, by its `start`.
local function has_begun(start)
  return start == '' or start == 'b'
end
