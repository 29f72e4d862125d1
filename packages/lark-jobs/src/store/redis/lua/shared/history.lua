-- Appends lines to a text of a job, and keeps the newest lines: at most `most` lines and `bytes` bytes.
-- module: texts
-- needs: start
-- gives: keep_error, keep_log
local MAX_ERRORS = 10
local MAX_LOG_LINES = 100
local MAX_LOG_BYTES = 16384

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

local function keep_error(id, json)
  keep('errors', id, json, MAX_ERRORS, math.huge)
end

local function keep_log(id, lines)
  keep('logs', id, lines, MAX_LOG_LINES, MAX_LOG_BYTES)
end
