-- announce: lists a worker as alive for a while, and stores its keys for ever.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- ARGV[3]  milliseconds
-- ARGV[4]  record, JSON
-- ARGV[5]  what it keeps of ended jobs
-- ARGV[6…] keys
-- Returns  { the number of partitions; what the worker is told, if anything (shared/known.lua) }
-- Cost     O(n) for n keys
-- needs: start, known

-- This write comes first because a full server allows it. After a write, the server allows the rest of a
-- script.
redis.call('ZREM', key('worker-ends'), ARGV[2])
return { make_known(ARGV[2], ARGV[3], ARGV[4], ARGV[5], 6, #ARGV) }
