-- Lists a worker as alive for some milliseconds, with its retention, and adds the job keys that the worker
-- knows to the list of all keys, which never shrinks. The keys are in ARGV. Returns the number of partitions,
-- and a message to the worker or nil. The message: { the last order to the worker, or false; 1 if this is the
-- first announcement of the minute, so that the worker must store the counts of all runs
-- (contract/run-history.ts), or false; the retentions of all live workers
-- (store/contract/rules/retention.ts), or nothing if all live workers have the same retention }.
-- needs: start
-- gives: make_known
local function make_known(worker, milliseconds, record, kept, first, last)
  redis.call('HSET', key('workers'), worker, record)
  redis.call('ZADD', key('worker-ends'), now + tonumber(milliseconds), worker)
  if last >= first then
    redis.call('SADD', key('keys'), unpack(ARGV, first, last))
  end
  local order = redis.call('GET', key('order:' .. worker))
  local minute = string.format('%.0f', math.floor(now / MINUTE))
  local keeps = redis.call('GET', key('runs-kept')) ~= minute and 1
  if keeps then
    redis.call('SET', key('runs-kept'), minute)
  end
  redis.call('ZADD', key('retentions'), now + tonumber(milliseconds), kept)
  redis.call('ZREMRANGEBYSCORE', key('retentions'), '-inf', now)
  local all = redis.call('ZRANGE', key('retentions'), 0, MAX_ITEMS - 1)
  local told = (order or keeps or #all > 1) and { order, keeps, #all > 1 and all or nil } or nil
  return redis.call('SCARD', key('partitions')), told
end
