-- note-taken: notes for an hour what was taken back from workers.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  milliseconds for which it is kept
-- ARGV[3]  how many notes of a worker are kept
-- ARGV[4…] two for each note: the worker; JSON, without the time at its end: `{…,"at":`
-- Returns  nothing
-- Cost     O(n) for n notes
-- needs: start

-- This is first because a full server allows this write. After a write, the server allows the rest of a
-- script.
redis.call('ZREM', key('worker-ends'), '')
for i = 4, #ARGV, 2 do
  local notes = key('taken:' .. ARGV[i])
  redis.call('RPUSH', notes, ARGV[i + 1] .. string.format('%.0f}', now))
  redis.call('LTRIM', notes, -tonumber(ARGV[3]), -1)
  redis.call('PEXPIRE', notes, ARGV[2])
end
