-- journal-read: reads the entries of a journal from an index on, and the signals if the index is 0.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the job
-- ARGV[3]  the index of the first entry to read
-- Returns  nothing if there is no journal, or { { the number of all entries; their bytes; the entries, as
--          many as fit }; the signals in their stored form (journal.lua), if the index is 0; what is to be
--          undone, or false; how long the job was suspended, or nothing }
-- Cost     O(n) for the n entries up to the last one that is read, and for s signals
-- needs: start, journals

if redis.call('EXISTS', key('steps:' .. ARGV[2])) == 0 or redis.call('HEXISTS', key('jobs'), ARGV[2]) == 0 then
  return false
end
local id, from = ARGV[2], tonumber(ARGV[3])
local journal = journals().read_journal(id, from)
journal[2] = from == 0 and redis.call('LRANGE', key('signals:' .. id), 0, -1) or {}
return journal
