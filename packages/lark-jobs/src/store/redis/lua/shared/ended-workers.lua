-- The records of workers that have ended: they are kept while they say how the runs of the worker went. If nobody reads
-- that, the oldest go.
-- needs: start
-- gives: forget_ended
local MOST_ENDED = 200

local function forget_ended()
  local ended = redis.call('ZRANGE', key('worker-ends'), now, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, MAX_ITEMS)
  local records = #ended > 0 and redis.call('HMGET', key('workers'), unpack(ended)) or {}
  for i, worker in ipairs(ended) do
    if i > MOST_ENDED or not records[i] or not string.find(records[i], '"runs":', 1, true) then
      redis.call('HDEL', key('workers'), worker)
      redis.call('ZREM', key('worker-ends'), worker)
    end
  end
end
