-- Notices. For a worker that holds jobs: somebody asked to cancel one, or there are effects to deliver. For a watcher:
-- a job that it watches has ended.
--   notices  HASH  id -> why a job is to be cancelled (`store/contract/rules/reason.ts`)
-- needs: start
-- gives: notify, notify_holder, notice

-- The callers that this call has rung, and how many heard it.
local rung = {}

-- Rings a caller, at most once a call. The server's ACL may forbid the ring, which must not break the verb;
-- hence pcall.
-- Returns whether the caller heard it, as far as the server can know: on a cluster, a node counts only its own
-- subscribers.
local function notify(caller)
  if not rung[caller] then
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    rung[caller] = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice')
  end
  return in_cluster or rung[caller] ~= 0
end

-- Rings the worker of a claim. `token`: of the claim.
local function notify_holder(token)
  local caller = string.match(token, '^(.-)%.%d+%.?5?$')
  return caller and notify(caller)
end

-- The worker gets the notice with its next `extend`. It is rung, so that this happens soon.
local function notice(id, reason)
  redis.call('HSET', key('notices'), id, reason)
  notify_holder(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
