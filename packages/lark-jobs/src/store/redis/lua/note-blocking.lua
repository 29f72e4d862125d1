-- note-blocking: notes with a worker that a handler blocks its event loop. Its next announcement drops this.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  worker
-- ARGV[3]  JSON
-- Returns  nothing
-- Cost     O(1)
-- needs: start

local record = redis.call('HGET', key('workers'), ARGV[2])
if record then
  redis.call('HSET', key('workers'), ARGV[2], string.sub(record, 1, -2) .. ',"blocks":' .. ARGV[3] .. '}')
end
