-- Word for whoever holds a job: someone asked for it to be cancelled.
--   notices  HASH  id -> the reason

-- Who was rung by this call.
local rung = {}

-- The holder hears of it with its next `extend`, and is rung, so that this is soon: once a call. It may be deaf, or the
-- server's ACL forbid the ring, which must not break the verb; hence pcall.
local function notice(id, reason)
  redis.call('HSET', key('notices'), id, reason)
  local caller = string.match(redis.call('HGET', key('holders'), id), '^(.-)%.%d+%.?5?|')
  if caller and not rung[caller] then
    rung[caller] = true
    local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
    redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition .. '\30notice')
  end
end
