-- Rings up to `count` of the callers that wait for this partition. Whoever hears nothing has died or is about to
-- subscribe again (and will look then), so its ring goes on to the next. A ring that the server's ACL forbids
-- must not break the verb, hence pcall.
local function ring(count)
  local idle = key('idle')
  if count < 1 or redis.call('EXISTS', idle) == 0 or redis.call('HGET', key('settings'), 'paused') == '1' then
    return
  end
  local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
  for _ = 1, 100 do
    local callers = redis.call('SPOP', idle, count)
    for _, caller in ipairs(callers) do
      if redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition) ~= 0 then
        count = count - 1
      end
    end
    if count < 1 or #callers == 0 then
      return
    end
  end
end
