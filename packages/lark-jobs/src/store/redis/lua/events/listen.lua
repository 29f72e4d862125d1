-- listen: returns the events after a position, and makes the partition write events from now on.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  listener
-- ARGV[3]  for how many milliseconds the partition writes events for this listener
-- ARGV[4]  the number of an entry, or '' for the last entry
-- ARGV[5]  the maximum number of entries to return after that one
-- Returns  { the number of the first returned entry; this entry, and the entries after it (listening.lua) }.
--          If there is no entry with the number in ARGV[4], returns the last entry
-- Cost     O(n) for n entries
-- needs: start, listening

-- This write makes a server that accepts no writes refuse the call, because a replica may lack the latest
-- changes.
redis.call('SADD', key('listeners'), ARGV[2])
return listening().listen(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
