-- What a caller was answered last. ARGV[2] is the caller, ARGV[3] the number of its call, ARGV[4] how many links its
-- process had given up when it was sent.
local CALL_MEMORY = 60000
local memory = key('call:' .. ARGV[2])

-- The answer to this very call, when it was made before. An error when a later call on a later connection was
-- heard since: then this is the ghost of a call that was given up, out of a socket that died slowly.
local function recall()
  local last = redis.call('GET', memory)
  if not last then
    return
  end
  local number, connection, from = string.match(last, '^(%d+)|(%d+)|()')
  if number == ARGV[3] then
    return string.sub(last, from)
  end
  if tonumber(ARGV[3]) < tonumber(number) and tonumber(ARGV[4]) < tonumber(connection) then
    error('a call on a connection that was given up')
  end
end

local function remember(answer)
  redis.call('SET', memory, ARGV[3] .. '|' .. ARGV[4] .. '|' .. answer, 'PX', CALL_MEMORY)
end
