-- note-taken: stores which jobs were taken back from workers.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  for how many milliseconds the notes are kept
-- ARGV[3]  how many notes are kept for each worker
-- ARGV[4…] two values for each note: the worker, and JSON without the time at its end: `{…,"at":`
-- Returns  nothing
-- Cost     O(n) for n notes
-- needs: start

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('worker-ends'), '')
for i = 4, #ARGV, 2 do
  local notes = key('taken:' .. ARGV[i])
  redis.call('RPUSH', notes, ARGV[i + 1] .. string.format('%.0f}', now))
  redis.call('LTRIM', notes, -tonumber(ARGV[3]), -1)
  redis.call('PEXPIRE', notes, ARGV[2])
end
