-- Rings up to `count` of the callers that wait for this partition. Whoever hears nothing has died or is about to
-- subscribe again (and will look then), so its ring goes on to the next. A ring that the server's ACL forbids must
-- not break the verb, hence pcall.

-- On a cluster a node counts only those who listen at itself, and most listen elsewhere. But who waits calls again
-- every few seconds, and its last call is remembered for a minute: ten seconds without one, and it has died.
local function is_heard(caller, hearers)
  return hearers ~= 0 or in_cluster and redis.call('PTTL', key('call:' .. caller)) > 50000
end

local function ring(count)
  local idle = key('idle')
  if count < 1 or redis.call('EXISTS', idle) == 0 or redis.call('HGET', key('settings'), 'paused') == '1' then
    return
  end
  local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
  for _ = 1, 100 do
    local callers = redis.call('SPOP', idle, count)
    if #callers > 0 then
      -- They will ask, whatever they offered to take.
      redis.call('HDEL', key('offers'), unpack(callers))
    end
    for _, caller in ipairs(callers) do
      if is_heard(caller, redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition)) then
        count = count - 1
      end
    end
    if count < 1 or #callers == 0 then
      return
    end
  end
end
