-- counts: how many jobs there are of each state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  { waiting, delayed, active, completed, failed, cancelled }
-- Cost     O(p log m) for p priorities in use, m delayed
-- include: start
-- include: line

local waiting, delayed = 0, 0
for _, priority in ipairs(lines()) do
  local due = line('due', priority)
  local fallen = redis.call('ZCOUNT', due, '-inf', now)
  waiting = waiting + fallen + redis.call('LLEN', line('line', priority)) - redis.call('SCARD', line('void', priority))
  delayed = delayed + redis.call('ZCARD', due) - fallen
end
return {
  waiting, delayed, math.max(redis.call('HLEN', key('holders')) - 1, 0),
  redis.call('ZCARD', key('completed')), redis.call('ZCARD', key('failed')), redis.call('ZCARD', key('cancelled')),
}
