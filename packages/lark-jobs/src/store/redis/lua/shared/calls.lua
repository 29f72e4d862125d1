-- The last answer to each caller, so that a call can be sent again. ARGV[2] is the caller, ARGV[3] is the
-- number of the call, and ARGV[4] says how many connections the process of the caller had given up when it
-- sent the call.
-- needs: start
-- gives: recall, remember
local memory, called, link = key('call:' .. ARGV[2]), ARGV[3], ARGV[4]

-- Returns the answer to this call if the call was run before. Throws if a call with a higher number, on a
-- later connection, was run before this call: then this call comes late from a connection that its process
-- has given up.
local function recall()
  local last = redis.call('GET', memory)
  if not last then
    return
  end
  local number, connection, from = string.match(last, '^(%d+)|(%d+)|()')
  if number == called then
    return string.sub(last, from)
  end
  if tonumber(called) < tonumber(number) and tonumber(link) < tonumber(connection) then
    error('a call on a connection that was given up')
  end
end

local function remember(answer)
  redis.call('SET', memory, called .. '|' .. link .. '|' .. answer, 'PX', CALL_MEMORY)
end
