-- journal-read: the entries of a journal from a place on, and with the first the signals.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  id
-- ARGV[3]  place
-- Returns  { { how many entries there are; their bytes; entries, as many as fit }; signals: a name and a text
--          of each }, or nothing
-- Cost     O(n) for n entries before the last that is read, and s signals
-- needs: start, journals

if redis.call('HEXISTS', key('journals'), ARGV[2]) == 0 or redis.call('HEXISTS', key('jobs'), ARGV[2]) == 0 then
  return false
end
return journals().read_journal(ARGV[2], tonumber(ARGV[3]))
