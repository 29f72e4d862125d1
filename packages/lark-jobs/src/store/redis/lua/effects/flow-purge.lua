-- flow-purge: removes the results and errors of nodes and members from their flow. The flow keeps the state,
-- the reason and the time of each end.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the flow
-- ARGV[3…] the indices of nodes and members
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
