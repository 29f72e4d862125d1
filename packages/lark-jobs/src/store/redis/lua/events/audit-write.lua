-- audit-write: writes an entry of the audit, or writes an entry again, and removes old entries.
--
-- KEYS[1]  audit       HASH id -> when it was written last, `|` and its text
--          audit-times ZSET id -> when it was first written
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the entry
-- ARGV[3]  the text of the entry
-- ARGV[4]  how many entries are kept
-- ARGV[5]  for how many milliseconds entries are kept
-- Returns  nothing
-- Cost     O(log m + n) for m entries, of which n are removed, at most 2,000
-- needs: start

local times = key('audit-times')
redis.call('ZADD', times, 'NX', string.format('%.0f', now), ARGV[2])
redis.call('HSET', key('audit'), ARGV[2], string.format('%.0f|', now) .. ARGV[3])
local function forget(ids)
  if #ids > 0 then
    redis.call('ZREM', times, unpack(ids))
    redis.call('HDEL', key('audit'), unpack(ids))
  end
end
forget(redis.call('ZRANGE', times, '-inf', now - tonumber(ARGV[5]), 'BYSCORE', 'LIMIT', 0, MAX_ITEMS))
local excess = math.min(redis.call('ZCARD', times) - tonumber(ARGV[4]), MAX_ITEMS)
if excess > 0 then
  forget(redis.call('ZRANGE', times, 0, excess - 1))
end
