-- extend: renews the claims of jobs that run, notes that they have started, takes log lines, brings notices.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  lease, milliseconds
-- ARGV[3…] three a note: id, token, log lines
-- Returns  { ids whose lease is lost; ids with a notice; the reasons of these }
-- Cost     O(n log m) for n notes among m claims
-- include: start
-- include: keep
-- include: claim

local ids = {}
for i = 3, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
-- First, because it is a write that a full server allows: having written, it allows the rest as well. A living
-- worker must not lose its jobs for want of memory.
redis.call('ZREM', key('leases'), '')

local holders = redis.call('HMGET', key('holders'), unpack(ids))
local noticed = redis.call('EXISTS', key('notices')) == 1

local lost, asked, reasons, renewed = {}, {}, {}, {}
local ends = now + tonumber(ARGV[2])
for i, id in ipairs(ids) do
  local token, lines = ARGV[3 * i + 1], ARGV[3 * i + 2]
  if is_held(holders[i], token) then
    if not renewed[token] then
      redis.call('ZADD', key('leases'), ends, token)
      renewed[token] = true
    end
    local _, ahead = read_holder(holders[i])
    if ahead then
      redis.call('HSET', key('holders'), id, token .. '|' .. string.sub(holders[i], #token + 3))
    end
    -- A note that is sent again brings the lines with which the log ends already.
    if lines ~= '' and string.sub('\n' .. (redis.call('HGET', key('logs'), id) or ''), -#lines - 1) ~= '\n' .. lines then
      keep_log(id, lines)
    end
    local reason = noticed and redis.call('HGET', key('notices'), id)
    if reason then
      asked[#asked + 1] = id
      reasons[#reasons + 1] = reason
    end
  else
    lost[#lost + 1] = id
  end
end
return { lost, asked, reasons }
