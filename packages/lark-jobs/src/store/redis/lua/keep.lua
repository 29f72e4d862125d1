-- keep: renews the lease of one who holds permits, whatever their number.
--
-- KEYS[1]  holders     HASH holder -> what permit.lua knows of it
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  holder
-- ARGV[3]  lease, milliseconds
-- Returns  1, or 0 when it has none, or its lease has ended
-- Cost     O(log h) for h holders
-- include: start

local holders, ends, lease = key('holders'), key('ends'), tonumber(ARGV[3])
local till = redis.call('ZSCORE', ends, ARGV[2])
if not till or tonumber(till) <= now then
  return 0
end
-- First, because it is a write that a full server allows: having written, it allows the rest as well.
redis.call('ZREM', ends, ARGV[2])
redis.call('ZADD', ends, now + lease, ARGV[2])
if redis.call('PTTL', ends) < 2 * lease then
  redis.call('PEXPIRE', ends, 2 * lease)
  redis.call('PEXPIRE', holders, 2 * lease)
end
return 1
