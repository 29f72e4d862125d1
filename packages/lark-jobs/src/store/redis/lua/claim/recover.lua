-- recover: takes back the jobs that dead workers held, one whole claim after another, at most 1,000 jobs.
-- Also acknowledges and hands out effects. after-run.lua decides what happens to each job.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  how many failed jobs are kept
-- ARGV[3]  how many cancelled jobs are kept
-- ARGV[4]  the error for each crash, as JSON without its first field: `,"name":…}`
-- ARGV[5]  1 if no crash is counted; w if the process of the dead worker ended from within; or ''
-- ARGV[6]  a caller that has died, to take back all of its claims; or '' to take back all claims whose lease
--          has ended
-- ARGV[7]  a time after which this call takes no jobs back, or ''. If silences of the store count
--          (silence.lua), `|` and the lease of all workers in milliseconds follow. A `+` at the end asks for
--          the callers that held the jobs which were taken back
-- ARGV[8]  the token of a claim that its caller has not read, or ''. If it is given, only this claim is taken
--          back
-- ARGV[9]  the effects that the call acknowledges and requests (delivery.lua), or ''
-- Returns  { the ids of the jobs that were put back; the ids of the jobs that failed; milliseconds until the
--          next lease ends, or -1; milliseconds until there is an effect to hand out, or -1; the ids of the
--          jobs whose crash was counted; the effects that are handed out, or nothing; the ids of the jobs
--          that were taken back after a silence, or nothing; if requested, for each caller its name, the
--          number of its jobs, and the ids of the first of them }
-- Cost     O(n log m) for n jobs taken back among m claims, and n effects; O(m) if the claims of one caller
--          are taken back
-- needs: start, lanes, after_run, end, retain, lease, minute, ring, effects, delivery, rouse, silence, doubts, holder

local till, lease_ms, notes = string.match(ARGV[7], '^([^|+]*)|?(%d*)(%+?)$')
local is_unread, is_over = ARGV[8] ~= '', till ~= '' and now > tonumber(till)
local taken, crashed, doubted, from = { pending = {}, failed = {}, cancelled = {} }, {}, {}, {}

-- Parses a token: the caller and the number of its call. The number of a claim that came with a ring ends in
-- `.5`.
local function read_token(token)
  return string.match(token, '^(.-)%.(%d+)%.?5?$')
end

-- The claims to take back, in the order in which their leases end.
local function tokens()
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

-- Withdraws the offer of a caller that has not read its claim, so that the caller gets no more jobs with a
-- ring. If the caller has made a new call since then, the offer of the new call stays. Returns whether the
-- caller has no offer any more, because it was rung: then another caller is rung in its place.
local function withdraw_offer()
  local caller, number = read_token(ARGV[8])
  local offer = redis.call('HGET', key('offers'), caller)
  if offer and string.match(offer, '^%d+') == number then
    redis.call('SREM', key('idle'), caller)
    redis.call('HDEL', key('offers'), caller)
  end
  return not offer
end

-- How many more pages of active jobs this call may search.
local searches = 3

-- The ids of the jobs of a claim, and their holder fields. If the list of the claim's ids is damaged, all
-- active jobs are searched, about 1,000 at a time and a few times in each call. If the search is not
-- complete, the third value is the position at which the next call goes on.
local function jobs_of(token)
  local ids, holders = held_by(token)
  local list, count = unpack(redis.call('HMGET', key('claims'), token, token .. '#'))
  if #ids >= (tonumber(count) or math.huge) or not redis.call('ZSCORE', key('leases'), token) then
    return ids, holders
  end
  ids, holders = {}, {}
  local cursor = string.match(list or '', '^search (%d+)$') or '0'
  while searches > 0 do
    searches = searches - 1
    local found = redis.call('HSCAN', key('holders'), cursor, 'COUNT', MAX_ITEMS)
    cursor = found[1]
    for i = 1, #found[2], 2 do
      if is_held(found[2][i + 1], token) then
        ids[#ids + 1], holders[#holders + 1] = found[2][i], found[2][i + 1]
      end
    end
    if cursor == '0' then
      return ids, holders
    end
  end
  return ids, holders, cursor
end

-- Counts the jobs that are taken back from a caller, and keeps the ids of the first 10 for the answer.
local function note_taken(caller, ids)
  local note = from[caller]
  if not note then
    note = { caller, 0, {} }
    from[caller], from[#from + 1] = note, note
  end
  note[2] = note[2] + #ids
  for i = 1, math.min(#ids, 10 - #note[3]) do
    note[3][#note[3] + 1] = ids[i]
  end
end

-- This write changes nothing. Because of this write, a server that accepts no writes refuses the call, even a
-- call that comes too late to take jobs back.
redis.call('ZREM', key('leases'), '')
local heard = 0
if not is_over then
  local vain = is_unread and withdraw_offer() and 1 or 0
  local count_taken = 0
  local grace = lease_ms ~= '' and ARGV[6] == '' and not is_unread and hear(tonumber(lease_ms)) or 0
  for _, token in ipairs(tokens()) do
    local score = grace > 0 and tonumber(redis.call('ZSCORE', key('leases'), token))
    local is_silent = grace > 0 and score <= grace
    local is_extended = is_silent and now < grace and score % 1 == 0
    local ids, holders, cursor = {}, {}, nil
    if is_extended then
      redis.call('ZADD', key('leases'), string.format('%.1f', grace - 0.5), token)
    else
      ids, holders, cursor = jobs_of(token)
    end
    if count_taken + #ids > MAX_ITEMS then
      break
    end
    count_taken = count_taken + #ids
    if #ids > 0 and notes == '+' then
      note_taken((read_token(token)) or '', ids)
    end
    for i, id in ipairs(ids) do
      local _, start = read_holder(holders[i])
      local is_doubt = is_silent and has_begun(start)
      local is_forgiven = ARGV[5] == '1' or is_doubt and not doubts().is_doubted(id)
      local state, has_crashed = after_run().take_back(id, holders[i], not is_forgiven and ARGV[4] or nil, is_unread, ARGV[5] == 'w')
      doubted[#doubted + 1] = is_doubt and id or nil
      taken[state][#taken[state] + 1] = id
      crashed[#crashed + 1] = has_crashed and id or nil
      if string.find(holders[i], '~', 1, true) then
        lanes().end_busy(holders[i])
      end
    end
    if #ids > 0 then
      redis.call('HDEL', key('holders'), unpack(ids))
      redis.call('HDEL', key('notices'), unpack(ids))
    end
    if cursor then
      redis.call('HSET', key('claims'), token, 'search ' .. cursor)
    elseif not is_extended then
      leave_claim(token, MAX_ITEMS)
    end
  end
  if #doubted > 0 then
    doubts().keep_doubts(doubted)
  end
  if made.lanes then
    lanes().reposition_all()
  end
  end_as('failed', taken.failed, read_kept(ARGV[2]), 'untold')
  count_minute('failed', #taken.failed)
  end_as('cancelled', taken.cancelled, tonumber(ARGV[3]), 'untold')
  -- One caller is rung for each job that was taken back, even for a job that ended: in a partition with
  -- limits, its end lets another job begin.
  heard = ring(count_taken + vain)
end

local handed, effect
if redis.call('EXISTS', key('ended'), key('effects:bundle')) > 0 then
  handed = ARGV[9] ~= '' and delivery().serve(ARGV[9]) or nil
  effect = effects().next_effect()
end
rouse(heard)
local ends = not is_over and redis.call('ZRANGE', key('leases'), 0, 0, 'WITHSCORES')[2]
return {
  taken.pending, taken.failed, ends and math.max(math.ceil(ends) - now, 0) or -1, effect and math.max(effect - now, 0) or -1, crashed,
  handed or false, #doubted > 0 and doubted, #from > 0 and from or nil,
}
