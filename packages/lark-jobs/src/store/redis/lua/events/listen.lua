-- listen: the events behind a position; from now on the partition writes events.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  listener
-- ARGV[3]  milliseconds after which the listening lapses
-- ARGV[4]  the number of an entry, or '' for the last one
-- ARGV[5]  how many entries behind it to return, at most
-- Returns  { the number of the first entry; the entry with this number, and those behind it: see
--          listening.lua }; the last one if there is no such entry
-- Cost     O(n) for n entries
-- needs: start, listening

-- A write, so that a server which accepts no writes refuses the call: a replica may lack the latest changes.
redis.call('SADD', key('listeners'), ARGV[2])
return listening().listen(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
