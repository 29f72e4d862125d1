-- retire: removes a worker.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- Returns  nothing
-- Cost     O(log w) for w workers
-- needs: start

redis.call('HDEL', key('workers'), ARGV[2])
redis.call('ZREM', key('worker-ends'), ARGV[2])
