-- Notices. For a worker that holds jobs: somebody asked to cancel one, or there are effects to deliver. For a
-- watcher: a job that it watches has ended. A notice that a signal has come for a job names the job.
--   notices  HASH  id -> why a job is to be cancelled, and since when
--                  (`store/contract/rules/reason.ts#askedFor`)
-- needs: start
-- gives: notify, notify_holder, notice

-- The callers that this call has rung, and how many heard it.
local rung = {}

-- Rings a caller, at most once a call. The server's ACL may forbid the ring, which must not break the verb;
-- hence pcall.
-- Returns whether the caller heard it, as far as the server can know: on a cluster, a node counts only its
-- own subscribers. `id`: the job that got a signal, if that is the only news.
local function notify(caller, id)
  if not rung[caller] then
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    rung[caller] = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice' .. (id and '\30' .. id or ''))
  end
  return in_cluster or rung[caller] ~= 0
end

-- Rings the worker of a claim. `token`: of the claim. `id`: as in notify.
local function notify_holder(token, id)
  local caller = string.match(token, '^(.-)%.%d+%.?5?$')
  return caller and notify(caller, id)
end

-- The worker gets the notice with its next `extend`. It is rung, so that this happens soon.
local function notice(id, reason)
  local since = string.match(redis.call('HGET', key('notices'), id) or '', '^[^|@]*@(%d+)')
  local why, more = string.match(reason, '^([^|]*)(.*)$')
  redis.call('HSET', key('notices'), id, why .. '@' .. (since or string.format('%.0f', now)) .. more)
  notify_holder(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
