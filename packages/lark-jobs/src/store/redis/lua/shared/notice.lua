-- Notices for the worker that holds a job: somebody asked to cancel the job.
--   notices  HASH  id -> the reason
-- needs: start
-- gives: notice

-- The workers that this call has rung.
local rung = {}

-- The worker gets the notice with its next `extend`. It is rung, at most once a call, so that this happens soon. The
-- server's ACL may forbid the ring, which must not break the verb; hence pcall.
local function notice(id, reason)
  redis.call('HSET', key('notices'), id, reason)
  local caller = string.match(redis.call('HGET', key('holders'), id), '^(.-)%.%d+%.?5?|')
  if caller and not rung[caller] then
    rung[caller] = true
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice')
  end
end
