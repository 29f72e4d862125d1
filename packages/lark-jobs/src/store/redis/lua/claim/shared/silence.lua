-- Silences of the store (`store/contract/rules/silence.ts`). In `settings`: `heard`, when a worker last
-- surveyed the partition while the partition had leases; `silent`, when the last silence ended.
-- needs: start
-- gives: hear

-- Notes that a worker has surveyed the partition while there are leases. Returns the time until which leases
-- are prolonged that were not renewed since the last silence, or 0 if no lease is prolonged.
local function hear(lease_ms)
  local first = redis.call('ZRANGE', key('leases'), 0, 0, 'WITHSCORES')[2]
  local heard, silent = unpack(redis.call('HMGET', key('settings'), 'heard', 'silent'))
  local at = string.format('%.0f', now)
  if first and now - math.max(tonumber(heard) or 0, first - lease_ms) > lease_ms / 3 + 1000 then
    silent = at
    redis.call('HSET', key('settings'), 'silent', at)
  end
  if first then
    redis.call('HSET', key('settings'), 'heard', at)
  end
  return silent and tonumber(silent) + lease_ms or 0
end
