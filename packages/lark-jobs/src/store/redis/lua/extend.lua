-- extend: renews the claims of jobs, marks the jobs as started, stores log lines, returns notices.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  lease, milliseconds
-- ARGV[3…] three for each note: id, token, log lines. For a suspect, the log lines begin with 1 if it runs
--          alone from now on, and with 0 if not
-- Returns  { ids whose lease is lost; ids with a notice; the reasons of these notices }
-- Cost     O(n log m) for n notes among m claims
-- needs: start, texts, lease

local ids = {}
for i = 3, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
-- This is first because a full server allows this write. After a write, the server allows the rest of a script. A live
-- worker must not lose its jobs because the server is full.
redis.call('ZREM', key('leases'), '')

local holders = redis.call('HMGET', key('holders'), unpack(ids))
local noticed = redis.call('EXISTS', key('notices')) == 1

-- The start (shared/lease.lua) of a job after a note.
local function started(start, alone)
  if start == 'a' or alone == '1' then
    return ''
  end
  return (start == 's' or alone == '0') and 'b' or start
end

local lost, asked, reasons, renewed = {}, {}, {}, {}
local ends = now + tonumber(ARGV[2])
for i, id in ipairs(ids) do
  local token, alone, lines = ARGV[3 * i + 1], string.match(ARGV[3 * i + 2], '^([01]?)(.*)$')
  if is_held(holders[i], token) then
    if not renewed[token] then
      redis.call('ZADD', key('leases'), ends, token)
      renewed[token] = true
    end
    local _, start = read_holder(holders[i])
    local has = started(start, alone)
    if has ~= start then
      redis.call('HSET', key('holders'), id, token .. '|' .. has .. string.sub(holders[i], #token + 2 + #start))
    end
    -- If the log already ends with these lines, the note was sent again.
    if lines ~= '' and string.sub('\n' .. (redis.call('HGET', key('logs'), id) or ''), -#lines - 1) ~= '\n' .. lines then
      texts().keep_log(id, lines)
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
