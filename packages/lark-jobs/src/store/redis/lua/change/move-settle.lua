-- move-settle: records that jobs have arrived in another partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  for how many milliseconds this partition remembers to which partition the jobs have moved
-- ARGV[3…] two values for each job: its id, and the instant of the move
-- Returns  nothing
-- Cost     O(n log m) for n jobs, if m jobs are moving
-- needs: start, gone, watching, rouse

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('effects:move'), '')
local over = string.format('%.0f', now + tonumber(ARGV[2]))
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local state, moved_at, to = gone(id)
  if state == 'moving' and moved_at == tonumber(ARGV[i + 1]) then
    redis.call('HSET', key('jobs'), id, '~')
    redis.call('HSET', key('ended'), id, string.format('moved|%.0f|~%.0f|', now, moved_at) .. to)
    redis.call('ZREM', key('effects:move'), id)
    redis.call('ZADD', key('remembered'), over, id)
    watching().unwatch({ id })
  end
end
rouse(0)
