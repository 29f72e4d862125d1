-- lowered: returns the number of waiting jobs with a priority below 0. Jobs in lanes do not count.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  the number
-- Cost     O(p log m) for p priorities in use and m delayed jobs
-- needs: start, line

local count = 0
for _, priority in ipairs(redis.call('ZRANGEBYSCORE', key('priorities'), '-inf', '(0')) do
  local listed = redis.call('LLEN', line('line', priority)) - redis.call('SCARD', line('void', priority))
  count = count + listed + redis.call('ZCOUNT', line('due', priority), '-inf', now)
end
return count
