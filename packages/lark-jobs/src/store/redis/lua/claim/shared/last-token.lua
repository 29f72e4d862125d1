-- The last tokens of jobs that had started and were taken back: late outcomes under them count until the job
-- is claimed again (late-outcome.lua). They are in `direct`; other jobs that must not be prefetched have 1
-- there.
-- module: last_tokens
-- needs: start
-- gives: may_settle, settles_no_more

local function may_settle(id, token)
  redis.call('HSET', key('direct'), id, token)
end

local function settles_no_more(ids)
  if #ids == 0 or redis.call('EXISTS', key('direct')) == 0 then
    return
  end
  for i, token in ipairs(redis.call('HMGET', key('direct'), unpack(ids))) do
    if token and token ~= '1' then
      redis.call('HSET', key('direct'), ids[i], 1)
    end
  end
end
