-- recover: takes back jobs whose lease ended, at most 1,000.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many failed jobs to keep
-- ARGV[3]  how many cancelled jobs to keep
-- ARGV[4]  the error of a job that crashed too often, as JSON without its first field: `,"name":…}`
-- ARGV[5]  1 when no crash is to be counted, else ''
-- Returns  { ids put back; ids failed; milliseconds until the next lease ends, or -1 }
-- Cost     O(n log m) for n taken back among m leases
-- include: start
-- include: line
-- include: counters
-- include: keep
-- include: finish
-- include: ring

local MAX_CRASHES = 3

local ids = redis.call('ZRANGE', key('leases'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
local recovered, failed, cancelled = {}, {}, {}
if #ids > 0 then
  local holders = redis.call('HMGET', key('holders'), unpack(ids))
  local records = redis.call('HMGET', key('jobs'), unpack(ids))
  local notices = redis.call('HMGET', key('notices'), unpack(ids))
  redis.call('HDEL', key('holders'), unpack(ids))
  redis.call('ZREM', key('leases'), unpack(ids))
  redis.call('HDEL', key('notices'), unpack(ids))
  for i, id in ipairs(ids) do
    local runs, failures, crashes, releases = counted(id)
    crashes = ARGV[5] == '1' and crashes or crashes + 1
    count(id, runs + 1, failures, crashes, releases)
    if crashes >= MAX_CRASHES then
      keep_error(id, '{"run":' .. runs + 1 .. ARGV[4])
      failed[#failed + 1] = id
    elseif notices[i] then
      redis.call('HSET', key('reasons'), id, notices[i])
      cancelled[#cancelled + 1] = id
    else
      local queued_at, priority = queued(records[i])
      put(id, priority, string.match(holders[i], '|%d+@(%d+)$') or queued_at)
      recovered[#recovered + 1] = id
    end
  end
  finish('failed', failed, tonumber(ARGV[2]))
  finish('cancelled', cancelled, tonumber(ARGV[3]))
  ring(#recovered)
end

local ends = redis.call('ZRANGE', key('leases'), 0, 0, 'WITHSCORES')[2]
return { recovered, failed, ends and math.max(ends - now, 0) or -1 }
