-- Notices for a worker that holds jobs: somebody asked to cancel one, or there are effects to deliver.
--   notices  HASH  id -> the reason for which a job is to be cancelled
-- needs: start
-- gives: notify, notice

-- The workers that this call has rung.
local rung = {}

-- Rings the worker of a claim, at most once a call. The server's ACL may forbid the ring, which must not break the verb;
-- hence pcall. `token`: of the claim.
local function notify(token)
  local caller = string.match(token, '^(.-)%.%d+%.?5?$')
  if caller and not rung[caller] then
    rung[caller] = true
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice')
  end
end

-- The worker gets the notice with its next `extend`. It is rung, so that this happens soon.
local function notice(id, reason)
  redis.call('HSET', key('notices'), id, reason)
  notify(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
