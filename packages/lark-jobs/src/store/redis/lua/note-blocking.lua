-- note-blocking: notes in the record of a worker that a handler blocks its event loop. The next announcement
-- of the worker removes the note.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  worker
-- ARGV[3]  the note, JSON
-- Returns  nothing
-- Cost     O(1)
-- needs: start

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('worker-ends'), '')
local record = redis.call('HGET', key('workers'), ARGV[2])
if record then
  redis.call('HSET', key('workers'), ARGV[2], string.sub(record, 1, -2) .. ',"blocks":' .. ARGV[3] .. '}')
end
