-- workers: the announced workers whose time has not run out. Removes up to 1,000 others.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  records, JSON
-- Cost     O(w) for w workers
-- needs: start

local ended = redis.call('ZRANGE', key('worker-ends'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
if #ended > 0 then
  redis.call('HDEL', key('workers'), unpack(ended))
  redis.call('ZREM', key('worker-ends'), unpack(ended))
end
return redis.call('HVALS', key('workers'))
