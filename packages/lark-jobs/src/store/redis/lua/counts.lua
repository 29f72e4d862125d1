-- counts: how many jobs there are of each state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  { waiting, delayed, active, completed, failed, cancelled }
-- Cost     O(p log m) for p priorities in use, m delayed
-- include: start
-- include: line
-- include: pending

local waiting, delayed = pending()
return {
  waiting, delayed, math.max(redis.call('HLEN', key('holders')) - 1, 0),
  redis.call('ZCARD', key('completed')), redis.call('ZCARD', key('failed')), redis.call('ZCARD', key('cancelled')),
}
