-- announce: lists a worker as alive for some time. Adds the job keys that the worker knows to the list of all
-- job keys, which never shrinks.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  worker
-- ARGV[3]  for how many milliseconds the worker counts as alive
-- ARGV[4]  the record of the worker, JSON
-- ARGV[5]  the retention of the worker: how long and how many ended jobs it keeps
-- ARGV[6…] the job keys that the worker knows
-- Returns  { the number of partitions; the message to the worker, if there is one (shared/known.lua) }
-- Cost     O(n) for n keys
-- needs: start, known

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('worker-ends'), ARGV[2])
return { make_known(ARGV[2], ARGV[3], ARGV[4], ARGV[5], 6, #ARGV) }
