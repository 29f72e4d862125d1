-- recover: takes back the jobs that dead workers held: whole claims, at most 1,000 jobs.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many failed jobs to keep
-- ARGV[3]  how many cancelled jobs to keep
-- ARGV[4]  the error for each crash, as JSON without its first field: `,"name":…}`
-- ARGV[5]  1 if no crash is counted, else ''
-- ARGV[6]  a caller whose claims are all taken back, or '' for all claims whose lease has ended
-- ARGV[7]  the time from which on this call does nothing, or ''
-- ARGV[8]  the token of a claim that its caller has not read: only this claim is taken back; or ''
-- Returns  { ids put back; ids failed; milliseconds until the next lease ends, or -1; milliseconds until there is
--            something for endings.lua, or -1 }
-- Cost     O(n log m) for n jobs taken back among m claims; O(m) for the claims of one caller
-- needs: start, line, place, lanes, counters, history, end, lease, minute, ending, ring

local MAX_CRASHES = 3
local MAX_CRASHES_BESIDE = 10
local MAX_CLAIMS = 100000
local is_unread = ARGV[8] ~= ''
local recovered, failed, cancelled = {}, {}, {}

-- Counts a run whose worker died. Returns whether this crash fails the job. `beside`: the job was a suspect and did not
-- run alone.
local function crash(id, beside)
  local runs, failures, crashes, releases = counted(id)
  if ARGV[5] == '1' then
    count(id, runs + 1, failures, crashes, releases)
    return false
  end
  count(id, runs + 1, failures, crashes + 1, releases)
  keep_error(id, '{"run":' .. runs + 1 .. ARGV[4])
  if crashes + 1 < (beside and MAX_CRASHES_BESIDE or MAX_CRASHES) then
    return false
  end
  failed[#failed + 1] = id
  return true
end

local function take_back(id, holder)
  local _, start, place = read_holder(holder)
  local notice = redis.call('HGET', key('notices'), id)
  if start ~= 'a' and start ~= 's' and not is_unread and crash(id, start == 'b') then
    return
  elseif notice then
    redis.call('HSET', key('reasons'), id, notice)
    cancelled[#cancelled + 1] = id
  else
    local queued_at, priority = queued(id, redis.call('HGET', key('jobs'), id))
    put(id, priority, place or queued_at, true)
    if not is_unread then
      redis.call('HSET', key('direct'), id, 1)
    end
    recovered[#recovered + 1] = id
  end
end

-- Parses a token: the caller and the number of its call. For a claim that came with a ring, the number ends in a half.
local function read_token(token)
  return string.match(token, '^(.-)%.(%d+)%.?5?$')
end

-- The claims whose lease has ended, the earliest end first.
local function ended()
  if is_unread then
    return { ARGV[8] }
  end
  if ARGV[6] == '' then
    return redis.call('ZRANGE', key('leases'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
  end
  local own = {}
  for _, token in ipairs(redis.call('ZRANGE', key('leases'), 0, MAX_CLAIMS)) do
    if read_token(token) == ARGV[6] then
      own[#own + 1] = token
    end
  end
  return own
end

-- Milliseconds until there is something for endings.lua, or -1.
local function next_ending()
  local from = redis.call('ZRANGE', key('endings'), 0, 0, 'WITHSCORES')[2]
  return from and math.max(from - now, 0) or -1
end

-- A write, so that a server which accepts no writes refuses the call also if it comes too late to do anything.
redis.call('ZREM', key('leases'), '')
if ARGV[7] ~= '' and now > tonumber(ARGV[7]) then
  return { recovered, failed, -1, -1 }
end
-- The caller that has not read its claim is handed no more jobs for this call. It may have made a new call meanwhile,
-- whose offer stays. If the caller was rung in vain, the ring goes to another.
local vain = 0
if is_unread then
  local caller, number = read_token(ARGV[8])
  local offer = redis.call('HGET', key('offers'), caller)
  if not offer then
    vain = 1
  elseif string.match(offer, '^%d+') == number then
    redis.call('SREM', key('idle'), caller)
    redis.call('HDEL', key('offers'), caller)
  end
end
local count_taken = 0
for _, token in ipairs(ended()) do
  local ids, holders = held_by(token)
  if count_taken + #ids > MAX_ITEMS then
    break
  end
  count_taken = count_taken + #ids
  for i, id in ipairs(ids) do
    take_back(id, holders[i])
    if string.find(holders[i], '~', 1, true) then
      lanes().end_busy(holders[i])
    end
  end
  if #ids > 0 then
    redis.call('HDEL', key('holders'), unpack(ids))
    redis.call('HDEL', key('notices'), unpack(ids))
  end
  leave_claim(token, MAX_ITEMS)
end
if made.lanes then
  lanes().stir_all()
end
note_endings(failed)
note_endings(cancelled)
finish('failed', failed, tonumber(ARGV[2]))
count_minute('failed', #failed)
finish('cancelled', cancelled, tonumber(ARGV[3]))
-- With limits, a job that ended lets another one begin too.
ring(#recovered + #failed + #cancelled + vain)

local ends = redis.call('ZRANGE', key('leases'), 0, 0, 'WITHSCORES')[2]
return { recovered, failed, ends and math.max(ends - now, 0) or -1, next_ending() }
