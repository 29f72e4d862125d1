-- flow-ends: reads the ends of nodes of a flow, and the ends of the first members that did not complete.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the flow
-- ARGV[3…] the indices of nodes and members
-- Returns  { the indices of the nodes and members whose ends are kept, as many as fit into the answer; their
--          ends; their results }
-- Cost     O(n) for n indices
-- needs: start

local indices = { unpack(ARGV, 3) }
local results, left, found = key('flow-results:' .. ARGV[2]), MAX_BYTES, { {}, {}, {} }
local has_results = redis.call('EXISTS', results) == 1
for i, ended in ipairs(#indices > 0 and redis.call('HMGET', key('flow-ends:' .. ARGV[2]), unpack(indices)) or {}) do
  ended = ended and string.sub(ended, 1, 1) ~= 's' and ended
  local size = ended and has_results and redis.call('HSTRLEN', results, indices[i]) or 0
  local n = #found[1]
  if ended and left < #ended + size and n > 0 then
    break
  elseif ended then
    left = left - #ended - size
    found[1][n + 1], found[2][n + 1] = indices[i], ended
    found[3][n + 1] = size > 0 and redis.call('HGET', results, indices[i])
  end
end
return found
