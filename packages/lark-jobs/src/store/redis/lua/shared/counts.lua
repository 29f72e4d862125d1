-- The number of jobs in each state: waiting, delayed, active, completed, failed, cancelled.
local function counts()
  local waiting, delayed = pending()
  return {
    waiting, delayed, math.max(redis.call('HLEN', key('holders')) - 1, 0),
    redis.call('ZCARD', key('completed')), redis.call('ZCARD', key('failed')), redis.call('ZCARD', key('cancelled')),
  }
end
