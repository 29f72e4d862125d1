-- announce: makes a worker known for a while, and its keys for ever.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- ARGV[3]  milliseconds
-- ARGV[4]  record, JSON
-- ARGV[5…] keys
-- Returns  how many partitions there are
-- Cost     O(n) for n keys
-- include: start
-- include: known

-- First, because it is a write that a full server allows: having written, it allows the rest as well.
redis.call('ZREM', key('worker-ends'), ARGV[2])
return make_known(ARGV[2], ARGV[3], ARGV[4], 5, #ARGV)
