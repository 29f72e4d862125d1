-- Makes a worker known for so many milliseconds, and the job keys that it knows for ever. Returns how many partitions
-- there are. The keys are among ARGV.
local function make_known(worker, milliseconds, record, first, last)
  redis.call('HSET', key('workers'), worker, record)
  redis.call('ZADD', key('worker-ends'), now + tonumber(milliseconds), worker)
  if last >= first then
    redis.call('SADD', key('keys'), unpack(ARGV, first, last))
  end
  return redis.call('SCARD', key('partitions'))
end
