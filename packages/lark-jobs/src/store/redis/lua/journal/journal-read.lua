-- journal-read: the entries of a journal from a place on, and with the first the signals.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  id
-- ARGV[3]  place
-- Returns  { { how many entries there are; their bytes; entries, as many as fit }; the signals as they
--          are kept (journal.lua), if the place is 0; what is to be undone, or false; for how long it
--          was suspended, or nothing }, or nothing
-- Cost     O(n) for n entries before the last that is read, and s signals
-- needs: start, journals

if redis.call('HEXISTS', key('journals'), ARGV[2]) == 0 or redis.call('HEXISTS', key('jobs'), ARGV[2]) == 0 then
  return false
end
local id, from = ARGV[2], tonumber(ARGV[3])
local journal = journals().read_journal(id, from)
journal[2] = from == 0 and redis.call('LRANGE', key('signals:' .. id), 0, -1) or {}
return journal
