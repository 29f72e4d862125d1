-- The holder of an active job: its claim, and whether the job has started.
--   holders  HASH  id -> token | [start] [@ the job's place in its line, if that differs from when it was
--                  queued] [~ its lane]
--                  start: '' if the job has started; a if it was prefetched and has not started; s if it is a
--                  suspect that has not started; b if it is a suspect that has started beside other jobs
-- gives: is_held, read_holder, has_begun

local function is_held(holder, token)
  return holder and string.sub(holder, 1, #token + 1) == token .. '|'
end

-- Parses a holder field into the token, the start, the place, and the lane or ''.
local function read_holder(holder)
  local token, start, place, lane = string.match(holder, '^(.*)|([asb]?)@?(%d*)~?(.*)$')
  return token, start, tonumber(place), lane
end

-- Whether a job with this `start` counts as started.
local function has_begun(start)
  return start == '' or start == 'b'
end
