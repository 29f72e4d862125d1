-- The last token of each job that had started and was taken back. A late outcome under this token counts
-- until the job is claimed again (late-outcome.lua). The tokens are values of the hash `direct`. For other
-- jobs that must not be prefetched, this hash has the value 1.
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
