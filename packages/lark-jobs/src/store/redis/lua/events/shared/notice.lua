-- Notices. A worker that holds jobs gets one if somebody asks to cancel one of these jobs, if a signal has
-- come for one of them, or if there are effects to deliver. A watcher gets one if a job that it watches has
-- ended. Only the notice of a signal names its job.
--   notices  HASH  id -> why a job is to be cancelled, and since when
--                  (`store/contract/rules/reason.ts#askedFor`)
-- needs: start
-- gives: notify, notify_holder, notice

-- How many subscribers got the ring, by caller, for the callers that this call has rung.
local rung = {}

-- Rings a caller, at most once in a call. `pcall` is used because the server's ACL may forbid the ring, and
-- the verb must succeed anyway. Returns whether the caller heard it, as far as the server can know: on a
-- cluster, a node counts only its own subscribers. `id`: the job that got a signal, if that is the only news.
local function notify(caller, id)
  if not rung[caller] then
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    rung[caller] = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice' .. (id and '\30' .. id or ''))
  end
  return in_cluster or rung[caller] ~= 0
end

-- Rings the worker of a claim. `token`: the token of the claim. `id`: see `notify`.
local function notify_holder(token, id)
  local caller = string.match(token, '^(.-)%.%d+%.?5?$')
  return caller and notify(caller, id)
end

-- Stores a notice about a job for the job's worker. The worker gets the notice with its next `extend`, and is
-- rung so that this call comes soon.
local function notice(id, reason)
  local since = string.match(redis.call('HGET', key('notices'), id) or '', '^[^|@]*@(%d+)')
  local why, more = string.match(reason, '^([^|]*)(.*)$')
  redis.call('HSET', key('notices'), id, why .. '@' .. (since or string.format('%.0f', now)) .. more)
  notify_holder(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
