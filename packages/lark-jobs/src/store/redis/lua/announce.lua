-- announce: lists a worker as alive for a while, and stores its keys for ever.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- ARGV[3]  milliseconds
-- ARGV[4]  record, JSON
-- ARGV[5…] keys
-- Returns  { the number of partitions; the last order to the worker, if there is one; 1 if the caller must keep the counts of
--            all runs }
-- Cost     O(n) for n keys
-- needs: start, known

-- This is first because a full server allows this write. After a write, the server allows the rest of a script.
redis.call('ZREM', key('worker-ends'), ARGV[2])
local known, order, keeps = make_known(ARGV[2], ARGV[3], ARGV[4], 5, #ARGV)
return { known, order or keeps and false, keeps }
