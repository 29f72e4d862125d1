-- Keeps the errors, the progress and the log of a job. The errors and the log lines of a job are texts with
-- one entry on each line, and only the newest lines are kept. Only the latest progress is kept.
--   progress  HASH  id -> JSON
-- module: reports
-- needs: start
-- gives: keep_error, keep_report

local function keep(name, id, lines, most, bytes)
  local kept = redis.call('HGET', key(name), id)
  if kept then
    lines = kept .. '\n' .. lines
  end
  local _, breaks = string.gsub(lines, '\n', '\n')
  local from = 1
  while breaks >= most or (breaks > 0 and #lines - from >= bytes) do
    from = string.find(lines, '\n', from, true) + 1
    breaks = breaks - 1
  end
  redis.call('HSET', key(name), id, string.sub(lines, from))
end

-- Keeps an error, a JSON object, and adds the time to it.
local function keep_error(id, json)
  keep('errors', id, string.format('{"at":%.0f,', now) .. string.sub(json, 2), MAX_ERRORS, math.huge)
end

-- Keeps the report of a run: `\30JSON\30` if the run has reported progress, and then log lines. `is_note`:
-- the report comes from a note of `extend`. A worker may send a note twice, so log lines with which the log
-- already ends are not added again. Returns the progress, or nothing.
local function keep_report(id, text, is_note)
  local progress, lines = string.match(text, '^\30(.-)\30(.*)$')
  lines = lines or text
  if progress then
    redis.call('HSET', key('progress'), id, progress)
  end
  local before = lines ~= '' and is_note and '\n' .. (redis.call('HGET', key('logs'), id) or '') or ''
  if lines ~= '' and (not is_note or string.sub(before, -#lines - 1) ~= '\n' .. lines) then
    keep('logs', id, lines, MAX_LOG_LINES, MAX_LOG_BYTES)
  end
  return progress
end
