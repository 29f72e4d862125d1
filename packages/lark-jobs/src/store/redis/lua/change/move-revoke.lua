-- move-revoke: revokes moves of jobs to this partition: if a move-put of these jobs comes later, it changes
-- nothing.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] two values for each job: its id, and when it was moved
-- Returns  nothing
-- Cost     O(n log m) for n jobs among m that are remembered
-- needs: start, revoked, rouse

-- This write comes first: it takes no memory, so a full server allows it, and then the whole script.
redis.call('ZREM', key('effects:move'), '')
for i = 2, #ARGV, 2 do
  revoke(ARGV[i], tonumber(ARGV[i + 1]))
end
rouse(0)
