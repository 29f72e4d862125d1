-- retire: notes that a worker has ended. The record of the worker is kept for a while if it has counts of
-- runs.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  worker
-- Returns  nothing
-- Cost     O(log w) for w workers
-- needs: start, ended-workers

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('worker-ends'), '')
redis.call('ZADD', key('worker-ends'), 'XX', 'LT', string.format('%.0f', now), ARGV[2])
forget_ended()
