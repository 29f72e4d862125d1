-- Notices are rings that do not stand for new jobs. A worker that holds jobs gets a notice if somebody asks
-- to cancel one of these jobs, if a signal has come for one of these jobs, if one of them is watched, or if
-- there are effects to deliver. A watcher gets a notice if a watched job has ended or has new progress, and a
-- listener if there are events. Only the notice about a signal names its job.
--   notices  HASH  id -> why a job is to be cancelled, and since when
--                  (`store/contract/rules/reason.ts#askedFor`)
-- needs: start
-- gives: notify, notify_holder, notice

-- For each caller that this call has rung: how many subscribers have received the ring.
local rung = {}

-- Rings a caller with a notice, at most once in a call. `id`: the job for which a signal has come, if the
-- notice says only this. `pcall` is used because the server's ACL may forbid the ring, and the verb must
-- succeed anyway. Returns whether the caller has received the ring. On a cluster, a node knows only its own
-- subscribers, so the result is always true.
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

-- Stores a notice to cancel a job, and rings the worker that holds the job. The worker gets the notice with
-- its next `extend`, and makes this call soon because of the ring.
local function notice(id, reason)
  local since = string.match(redis.call('HGET', key('notices'), id) or '', '^[^|@]*@(%d+)')
  local why, more = string.match(reason, '^([^|]*)(.*)$')
  redis.call('HSET', key('notices'), id, why .. '@' .. (since or string.format('%.0f', now)) .. more)
  notify_holder(string.match(redis.call('HGET', key('holders'), id), '^(.-)|'))
end
