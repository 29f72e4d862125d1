-- retire: a worker has ended. Its record is kept if it says how its runs went.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- Returns  nothing
-- Cost     O(log w) for w workers
-- needs: start, ended-workers

-- This comes first because a full server allows it, and after a write the rest of a script.
redis.call('ZREM', key('worker-ends'), '')
redis.call('ZADD', key('worker-ends'), 'XX', 'LT', string.format('%.0f', now), ARGV[2])
forget_ended()
