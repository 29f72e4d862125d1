-- Lists a worker as alive for some milliseconds, and stores the job keys that it knows for ever. Returns the number of
-- partitions, and the last order to the worker, or false. The keys are in ARGV.
-- needs: start
-- gives: make_known
local function make_known(worker, milliseconds, record, first, last)
  redis.call('HSET', key('workers'), worker, record)
  redis.call('ZADD', key('worker-ends'), now + tonumber(milliseconds), worker)
  if last >= first then
    redis.call('SADD', key('keys'), unpack(ARGV, first, last))
  end
  return redis.call('SCARD', key('partitions')), redis.call('GET', key('order:' .. worker))
end
