-- renew-permits: renews the lease of a holder of permits, and does not change the number of its permits.
--
-- KEYS[1]  holders     HASH holder -> its data, see permit.lua
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  holder
-- ARGV[3]  lease, milliseconds
-- Returns  1; or 0 if the holder has no permits, or if its lease has ended
-- Cost     O(log h) for h holders
-- needs: start

local holders, ends, lease_ms = key('holders'), key('ends'), tonumber(ARGV[3])
local till = redis.call('ZSCORE', ends, ARGV[2])
if not till or tonumber(till) <= now then
  return 0
end
-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', ends, ARGV[2])
redis.call('ZADD', ends, now + lease_ms, ARGV[2])
if redis.call('PTTL', ends) < 2 * lease_ms then
  redis.call('PEXPIRE', ends, 2 * lease_ms)
  redis.call('PEXPIRE', holders, 2 * lease_ms)
end
return 1
