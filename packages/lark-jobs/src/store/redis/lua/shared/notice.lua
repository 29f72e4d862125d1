-- Notices for a worker that holds jobs: somebody asked to cancel one, or there are effects to deliver.
--   notices  HASH  id -> the reason for which a job is to be cancelled
-- needs: start
-- gives: notify, notice

-- The workers that this call has rung, and how many heard it.
local rung = {}

-- Rings the worker of a claim, at most once a call. The server's ACL may forbid the ring, which must not break the
-- verb; hence pcall. `token`: of the claim. Returns whether the worker heard it, as far as the server can know: on a
-- cluster, a node counts only its own subscribers.
local function notify(token)
  local caller = string.match(token, '^(.-)%.%d+%.?5?$')
  if caller and not rung[caller] then
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    rung[caller] = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice')
  end
  return caller and (in_cluster or rung[caller] ~= 0)
end

-- The worker gets the notice with its next `extend`. It is rung, so that this happens soon.
local function notice(id, reason)
  redis.call('HSET', key('notices'), id, reason)
  notify(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
