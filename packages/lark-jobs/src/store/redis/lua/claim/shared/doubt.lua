-- Doubted jobs: jobs that were taken back after a silence of the store, although they may have finished.
--   doubts    ZSET  id -> when it was taken back: the newest 1,000 of the last 7 days
-- module: doubts
-- needs: start
-- gives: is_doubted, keep_doubts

local function is_doubted(id)
  return redis.call('ZSCORE', key('doubts'), id)
end

local function keep_doubts(ids)
  for _, id in ipairs(ids) do
    redis.call('ZADD', key('doubts'), now, id)
  end
  redis.call('ZREMRANGEBYSCORE', key('doubts'), '-inf', now - DOUBT_AGE)
  redis.call('ZREMRANGEBYRANK', key('doubts'), 0, -1 - MAX_DOUBTS)
  redis.call('PEXPIRE', key('doubts'), DOUBT_AGE)
end
