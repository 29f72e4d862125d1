-- move-revoke: revokes moves of jobs to this partition. A `move-put` that arrives later for one of these
-- moves changes nothing.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] two values for each job: its id, and when it was moved
-- Returns  nothing
-- Cost     O(n log m) for n jobs among m that are remembered
-- needs: start, revoked, rouse

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('effects:move'), '')
for i = 2, #ARGV, 2 do
  revoke(ARGV[i], tonumber(ARGV[i + 1]))
end
rouse(0)
