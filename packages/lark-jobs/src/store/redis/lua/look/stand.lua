-- stand: returns what prevents a job from beginning now (contract/stand.ts). If the job is in a lane, the
-- script moves due jobs of the lane from its `late` set to its `lane` set, as a claim would. It changes
-- nothing else.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the job
-- ARGV[3]  the limits of the partition (rate.lua), or ''
-- ARGV[4]  the milliseconds of one step if priorities age, or ''
-- ARGV[5]  how many active jobs of the job's lane to name
-- Returns  nothing, or { the job in the form of show.lua; the time; the pause (pause.lua); how many jobs go
--          before this job, how many of these have a higher priority, and how many lanes go before the lane
--          of this job, or -1; for its lane: what the lane waits for, until when, until when the group is
--          paused, by whom and since when, the limits, the first job of the lane and when that job is due,
--          how many jobs of the lane are active, and their ids; for the partition: how many jobs are active,
--          how many jobs may begin, and the milliseconds until more jobs may begin, or -1; for an active job:
--          when its lease ends, whether it has begun, and why it was asked to end; the job that has the lock
--          of this job; the tokens of claims, and how many of their jobs are still held }. A part that does
--          not concern the job is false
-- Cost     O(10,000 + p log m + c) for p priorities in use, m jobs in line, and c claims
-- needs: start, locate, show, line, lanes, lease, rates, pause, page, admission, holder

-- This call counts at most MAX_AHEAD jobs, which takes the server 4 ms (measured on 2026-11-27, 2 cores,
-- busy).
local id, aging = ARGV[2], tonumber(ARGV[4])
-- For a pending job, `kept` is the place of the job.
local state, record, priority, kept = locate(id)
if not state then
  return false
end
local place = tonumber(kept)
local own, lane = tonumber(string.match(priority, '^-?%d+')) or 0, string.match(priority, '@(.*)$')

-- How many more entries of lists this call may count.
local left = MAX_AHEAD

-- How many jobs at the head of a list go before this job. Void entries do not count. `part`: a function that
-- gets some ids of the list and returns how many of them go before this job. When some of the ids do not go
-- before this job, no later entry of the list does.
local function listed(name, part)
  local list, void, count, from, step = line('line', name), line('void', name), 0, 0, 16
  local has_voids = redis.call('EXISTS', void) == 1
  while left > 0 do
    local some = redis.call('LRANGE', list, from, from + step - 1)
    local ids = some
    if has_voids and #some > 0 then
      ids = {}
      for i, is_void in ipairs(redis.call('SMISMEMBER', void, unpack(some))) do
        ids[#ids + 1] = is_void == 0 and some[i] or nil
      end
    end
    local before = part(ids)
    count, left = count + before, left - before - (#some - #ids)
    if before < #ids or #some < step then
      break
    end
    from, step = from + step, math.min(4 * step, MAX_ITEMS)
  end
  return count
end

-- The function `part` for the list that contains this job: all entries before this job go first.
local function up_to_this(ids)
  for i, other in ipairs(ids) do
    if other == id then
      return i - 1
    end
  end
  return #ids
end

-- Makes the function `part` for other lists: the jobs with a lower place than `at` go first. Of the jobs with
-- this place, `through` says which go first: `all`, those with a lower id (`ids`), or none ('').
local function up_to(at, through)
  return function(ids)
    local low, high = 0, #ids
    while low < high do
      local middle = math.ceil((low + high) / 2)
      local other = ids[middle]
      local its = queued(other, redis.call('HGET', key('jobs'), other))
      if its < at or its == at and (through == 'all' or through == 'ids' and is_before(other, id)) then
        low = middle
      else
        high = middle - 1
      end
    end
    return low
  end
end

-- The number of due jobs of a line that go before this job.
local function before_in(name, at)
  local due, step = line('due', name), (tonumber(name) or 0) - own
  if step == 0 then
    return (place and redis.call('ZRANK', due, id) or passed(due, at, id)) + listed(name, place and up_to(at, 'ids') or up_to_this)
  elseif not aging then
    local count = redis.call('LLEN', line('line', name)) - redis.call('SCARD', line('void', name))
    return step > 0 and count + redis.call('ZCOUNT', due, '-inf', now) or 0
  end
  local last = at + step * aging
  local most = last > now and now or (step > 0 and '' or '(') .. string.format('%.0f', last)
  return redis.call('ZCOUNT', due, '-inf', most) + listed(name, up_to(last, step > 0 and 'all' or ''))
end

-- How many due jobs without a lane go before this job, and how many of these have a higher priority.
local function ahead_in_lines()
  local ahead, higher, at = 0, 0, place or queued(id, record)
  for _, name in ipairs(lines()) do
    local count = left > 0 and before_in(name, at) or 0
    ahead, higher = ahead + count, (tonumber(name) or 0) > own and higher + count or higher
  end
  return left > 0 and ahead or MAX_AHEAD, higher
end

-- How many jobs of the same lane go before this job, and how many of these have a higher priority. One sorted
-- set has the due jobs of all priorities of a lane.
local function ahead_in_lane()
  local name, rank = key('lane:' .. lane), lanes().rank
  local function bound(priority, at)
    return rank(priority, math.max(0, math.min(at, now)))
  end
  local ahead = redis.call('ZRANK', name, id)
  local higher = redis.call('ZCOUNT', name, '-inf', '(' .. rank(own, 0))
  if not ahead then
    -- This job is still in the `late` set, because the lane has more due jobs than one call moves.
    return redis.call('ZCARD', name) + redis.call('ZRANK', key('late:' .. lane), id), higher
  elseif not aging then
    return ahead, higher
  end
  ahead, higher = ahead - higher, 0
  local from = '-inf'
  for _ = 0, 2000 do
    local first = redis.call('ZRANGE', name, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    if not first then
      break
    end
    local other = 100 - math.floor(tonumber(first) / lanes().ABOVE)
    local last = place + (other - own) * aging
    if other ~= own and last >= 0 then
      local count = redis.call('ZCOUNT', name, rank(other, 0), (other > own and '' or '(') .. bound(other, last))
      ahead, higher = ahead + count, other > own and higher + count or higher
    end
    from = rank(other - 1, 0)
  end
  return ahead, higher
end

-- Returns the tokens of claims, and for each claim how many of its jobs are still held.
local function holders()
  local tokens, fields = redis.call('ZRANGE', key('leases'), 0, MAX_ITEMS - 1), {}
  for i, token in ipairs(tokens) do
    fields[i] = token .. '#'
  end
  return { tokens, #fields > 0 and redis.call('HMGET', key('claims'), unpack(fields)) or {} }
end

-- Returns active jobs of the lane. The function searches the active jobs of the partition, because no set has
-- the active jobs of one lane.
local function running()
  local found, most = {}, tonumber(ARGV[5])
  for _, token in ipairs(redis.call('ZRANGE', key('leases'), 0, MAX_ITEMS - 1)) do
    local ids, holders = held_by(token)
    for i, holder in ipairs(holders) do
      local _, _, _, its = read_holder(holder)
      found[#found + 1] = its == lane and #found < most and ids[i] or nil
    end
    if #found == most then
      break
    end
  end
  return found
end

local function lane_of()
  lanes().fall_due(lane)
  local limits, busy, first = unpack(redis.call('HMGET', key('group:' .. lane), 'limits', 'busy', 'first'))
  local at, _, cause, is_gone = lanes().opens_at(lane)
  first = not is_gone and first or ''
  local group = string.match(lane, '^[^^]*')
  local first_due = first ~= '' and redis.call('ZSCORE', key('laned'), first) or ''
  busy = tonumber(busy or 0)
  return first, {
    cause or '', cause and string.format('%.0f', at) or '',
    string.format('%.0f', lanes().paused_until(group)), redis.call('HGET', key('pausers'), group) or '',
    limits or '', first, first_due, busy,
    busy > 0 and running() or {},
  }
end

-- How many lanes have their turn before the lane of this job. Only lanes with the same limiter count, or if
-- the lane has no limiter, lanes without a limiter.
local function turns()
  local own_turn, limiter = redis.call('HMGET', key('settings'), 'own', 'lanes'), string.match(lane or '', '%^.*$')
  if (own_turn[2] or '0') == '0' then
    return -1
  end
  local set = key('turns' .. (limiter or ''))
  if not lane then
    return redis.call('ZCOUNT', set, '-inf', '(' .. (own_turn[1] or 0))
  end
  return redis.call('ZRANK', set, lane) or redis.call('ZCARD', set)
end

local function limited(stored)
  local limits = rates().both(ARGV[3], stored)
  if limits == '' then
    return false
  end
  local active = math.max(redis.call('HLEN', key('holders')) - 1, 0)
  local free, wait = rates().allowed_starts(limits, MAX_ITEMS, nil, active)
  return { active, free, wait }
end

local is_pending = state == 'waiting' or state == 'delayed'
local first, lane_facts, ahead, higher, lease, locked = '', false, false, nil, false, false
if is_pending and lane then
  first, lane_facts = lane_of()
end
if state == 'waiting' then
  if first == id then
    ahead, higher = 0, 0
  elseif lane then
    ahead, higher = ahead_in_lane()
  else
    ahead, higher = ahead_in_lines()
  end
  ahead = { math.min(ahead, MAX_AHEAD), math.min(higher, MAX_AHEAD), turns() }
elseif state == 'active' then
  local token, start = read_holder(redis.call('HGET', key('holders'), id))
  local ends = redis.call('ZSCORE', key('leases'), token)
  lease = { ends and string.format('%.0f', math.ceil(ends)) or '', has_begun(start) and 1 or 0, redis.call('HGET', key('notices'), id) }
elseif not is_pending then
  local _, _, name = admission().read_lock(redis.call('HGET', key('locks'), id) or '')
  locked = name and admission().locker(name) or false
  place = redis.call('ZSCORE', key((kept or '') .. state), id)
end
local paused = redis.call('HGET', key('settings'), 'paused')
return {
  show(state, { id }, { place and string.format('%.0f', place) or false }, nil, true), string.format('%.0f', now),
  pause_left(paused) and paused or '0', ahead, lane_facts, limited(limits_in(paused)), lease, locked,
  state == 'waiting' and holders(),
}
