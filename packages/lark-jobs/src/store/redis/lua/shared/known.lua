-- Lists a worker as alive for some milliseconds, and stores the job keys that it knows for ever. Returns the number of
-- partitions, and the last order to the worker, or false; and 1 or nil: the caller must keep the counts of all runs, as it
-- is the first in this minute (contract/run-history.ts). The keys are in ARGV.
-- needs: start
-- gives: make_known
local function make_known(worker, milliseconds, record, first, last)
  redis.call('HSET', key('workers'), worker, record)
  redis.call('ZADD', key('worker-ends'), now + tonumber(milliseconds), worker)
  if last >= first then
    redis.call('SADD', key('keys'), unpack(ARGV, first, last))
  end
  local minute = string.format('%.0f', math.floor(now / 60000))
  local keeps = redis.call('GET', key('runs-kept')) ~= minute or nil
  if keeps then
    redis.call('SET', key('runs-kept'), minute)
  end
  return redis.call('SCARD', key('partitions')), redis.call('GET', key('order:' .. worker)), keeps and 1
end
