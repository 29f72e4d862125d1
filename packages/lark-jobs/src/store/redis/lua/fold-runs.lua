-- fold-runs: replaces the sum of the runs of ended workers, and removes the records of the workers whose runs
-- are now part of the sum. Changes nothing if the sum or one of these records has changed since the caller
-- read them.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the sum that the caller has read, or ''
-- ARGV[3]  the new sum, which includes these workers
-- ARGV[4…] the workers
-- Returns  nothing
-- Cost     O(n log w) for n of w workers
-- needs: start

if (redis.call('GET', key('past-runs')) or '') ~= ARGV[2] then
  return
end
for i = 4, #ARGV do
  if tonumber(redis.call('ZSCORE', key('worker-ends'), ARGV[i]) or math.huge) > now then
    return
  end
end
redis.call('SET', key('past-runs'), ARGV[3])
redis.call('HDEL', key('workers'), unpack(ARGV, 4))
redis.call('ZREM', key('worker-ends'), unpack(ARGV, 4))
