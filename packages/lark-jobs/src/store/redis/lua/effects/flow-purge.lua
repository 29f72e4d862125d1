-- flow-purge: keeps no more of how nodes and members of a flow ended than that they have, why and when.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  the flow
-- ARGV[3…] indices
-- Returns  nothing
-- Cost     O(n) for n indices
-- needs: start

local ends, results = key('flow-ends:' .. ARGV[2]), key('flow-results:' .. ARGV[2])
local freed = 0
for i = 3, #ARGV do
  local index, ended = ARGV[i], redis.call('HGET', ends, ARGV[i])
  local how, more = string.match(ended or '', '^(%a%d+)(.*)$')
  if how and more ~= '' then
    local reason = string.match(more, '^{"reason":"[%w-]*"')
    redis.call('HSET', ends, index, how .. (reason and reason .. '}' or ''))
  end
  local size = redis.call('HSTRLEN', results, index)
  if size > 0 then
    redis.call('HSET', results, index, RESULT_PURGED)
    freed = freed + size - #RESULT_PURGED
  end
end
if freed ~= 0 then
  redis.call('HINCRBY', key('flow:' .. ARGV[2]), 'results', -freed)
end
