-- Effects: what must happen elsewhere because a job ended. An effect is kept until a worker acknowledges it.
--   effects:hook    ZSET  id -> from when on it is handed out: the jobs whose class has a hook to call
--   effects:member  ZSET  id -> from when on it is handed out: nodes of flows with another home, and members
--                         that did not complete (bundle.lua has those that completed)
--   remembered      ZSET  id -> until when the job is remembered: members that their flow has counted, in
--                         case the flow asks for their ends again; and watched jobs (watching.lua), so that
--                         their watchers can read the ends
--   ended           HASH  id -> state|when it ended: the jobs that are in one of these sets. If such a job
--                         was removed, it is hidden: `|~` follows in this field, and its record begins with
--                         `~`. The payload of a hidden job is removed when no hook needs it
--   hooked          HASH  id -> 1: jobs whose class has a hook
-- `effects` in `settings` is 1 while `ended` or a bundle exists.
-- module: effects
-- needs: start, failed_jobs, erase, ring, notice, payloads, bundle
-- gives: owed, fresh, next_effect, write_bundles, write_effects, withdraw, unbundle, purge, hide, acknowledge, forget_remembered, remember_ends
-- gives: release, ring_for_effects

-- `is`: whether this call has written effects that its answer lacks, and no other effect was due before.
local owed = { is = false }
-- The effects that this call has written and hands out with its answer, under a lease that has begun: the ids
-- of nodes; in `bundles`, the bundles; in `count`, the number of members of these bundles.
local fresh = { bundles = {}, count = 0 }

-- The time from which on the next effect can be handed out; nothing if there is no effect.
local function next_effect()
  local hook = redis.call('ZRANGE', key('effects:hook'), 0, 0, 'WITHSCORES')[2]
  local member = redis.call('ZRANGE', key('effects:member'), 0, 0, 'WITHSCORES')[2]
  local bundle = redis.call('ZRANGE', key('effects:bundle'), 0, 0, 'WITHSCORES')[2]
  return (hook or member or bundle) and math.min(hook or math.huge, member or math.huge, bundle or math.huge)
end

-- Writes the bundles of members that complete now. `groups`: see home.lua. `takes`: see `write_effects`.
local function write_bundles(groups, takes)
  local at = string.format('%.0f', now)
  for _, group in ipairs(groups) do
    local count = 0
    for i = 1, #group.runs, 2 do
      count = count + group.runs[i + 1] - group.runs[i] + 1
    end
    local is_fresh = takes and #fresh + fresh.count + count <= MAX_ITEMS
    owed.is = owed.is or not is_fresh and (next_effect() or math.huge) > now
    local due = is_fresh and string.format('%.0f', now + MEMBER_LEASE_MS) or at
    local bundle = keep_bundle('effects:bundle', due, group.head, group.runs, at)
    if is_fresh then
      fresh.bundles[#fresh.bundles + 1], fresh.count = bundle, fresh.count + count
    end
  end
  redis.call('HSETNX', key('settings'), 'effects', 1)
end

-- Writes the effects of jobs that end now. `how`: see end.lua. `takes`: whether the answer of the call hands
-- out members; nodes that complete now are then handed out at once (`fresh`). `away`: the set of jobs that
-- belong to flows with another home.
local function write_effects(state, ids, how, takes, away)
  local at = string.format('%.0f', now)
  local hooked = how == 'untold' and redis.call('HMGET', key('hooked'), unpack(ids)) or {}
  local hooks, members, ended, reasons, end_of = {}, {}, {}, {}, state .. '|' .. at
  local is_fresh = takes and state == 'completed' and #fresh + fresh.count + #ids <= MAX_ITEMS
  local due = is_fresh and string.format('%.0f', now + MEMBER_LEASE_MS) or at
  for i, id in ipairs(ids) do
    local is_member = away[id]
    if is_member then
      members[#members + 1], members[#members + 2] = due, id
      fresh[#fresh + 1] = is_fresh and id or nil
    end
    if is_member and how == 'removed' then
      reasons[#reasons + 1], reasons[#reasons + 2] = id, 'removed'
    end
    if hooked[i] then
      hooks[#hooks + 1], hooks[#hooks + 2] = at, id
    end
    if hooked[i] or is_member then
      ended[#ended + 1], ended[#ended + 2] = id, end_of
    end
  end
  if #ended == 0 then
    return
  end
  owed.is = owed.is or not is_fresh and (next_effect() or math.huge) > now
  redis.call('HSET', key('ended'), unpack(ended))
  redis.call('HSETNX', key('settings'), 'effects', 1)
  if #hooks > 0 then
    redis.call('ZADD', key('effects:hook'), unpack(hooks))
  end
  if #members > 0 then
    redis.call('ZADD', key('effects:member'), unpack(members))
  end
  if #reasons > 0 then
    redis.call('HSET', key('reasons'), unpack(reasons))
  end
end

local function lower_flag()
  if redis.call('EXISTS', key('ended'), key('effects:bundle'), key('remembered:bundle')) == 0 then
    redis.call('HDEL', key('settings'), 'effects')
  end
end

-- Removes the effects of a job that goes back to its line.
local function withdraw(id)
  redis.call('ZREM', key('effects:hook'), id)
  redis.call('ZREM', key('effects:member'), id)
  redis.call('ZREM', key('remembered'), id)
  lower_flag()
end

-- Takes a completed member out of its bundle, if it is in a bundle that is not acknowledged yet.
local function unbundle(id)
  if string.find(id, ':', 1, true) and redis.call('EXISTS', key('effects:bundle')) == 1 then
    take_out(string.sub(id, 1, -9), { [tonumber(string.sub(id, -8)) or -1] = true })
    lower_flag()
  end
end

-- Removes all data of a job, with its effects. The job must be in no line and no claim, and does not end.
local function purge(id)
  unbundle(id)
  for _, state in ipairs(ENDED_STATES) do
    redis.call('ZREM', key(state), id)
    redis.call('ZREM', key('kept:' .. state), id)
  end
  failed_jobs().forget_failed({ id })
  redis.call('ZREM', key('kept'), id)
  if redis.call('HDEL', key('ended'), id) == 1 then
    redis.call('ZREM', key('effects:move'), id)
    withdraw(id)
  end
  erase({ id })
end

-- Marks the records of hidden jobs with `~`, and removes the payloads that no hook needs.
local function mark(ids)
  local has_hooks = redis.call('EXISTS', key('effects:hook')) == 1
  local hooks = has_hooks and redis.call('ZMSCORE', key('effects:hook'), unpack(ids)) or {}
  local records, without = {}, {}
  for i, record in ipairs(redis.call('HMGET', key('jobs'), unpack(ids))) do
    local is_bare, n = not hooks[i], #records
    records[n + 1], records[n + 2] = ids[i], '~' .. payloads()[is_bare and 'bare' or 'unmarked'](record or '')
    without[#without + 1] = is_bare and ids[i] or nil
  end
  redis.call('HSET', key('jobs'), unpack(records))
  if #without > 0 and redis.call('EXISTS', key('payloads')) == 1 then
    drop_payloads(without)
  end
end

-- Hides the jobs among `ids` that still have effects, because these jobs are removed but their effects must
-- be delivered. `ends`: the fields of the jobs in `ended`. Returns the jobs without effects.
local function hide(ids, ends)
  local others, hidden, ended = {}, {}, {}
  for i, id in ipairs(ids) do
    if not ends[i] then
      others[#others + 1] = id
    elseif not string.find(ends[i], '~', 1, true) then
      hidden[#hidden + 1] = id
      ended[#ended + 1], ended[#ended + 2] = id, ends[i] .. '|~'
    end
  end
  if #hidden > 0 then
    mark(hidden)
    redis.call('HSET', key('ended'), unpack(ended))
    if redis.call('EXISTS', key('logs')) == 1 then
      redis.call('HDEL', key('logs'), unpack(hidden))
    end
    drop_journals(hidden)
  end
  return others
end

-- Called when an effect of each of these jobs was acknowledged or its time is over. For a job without further
-- effects, removes the field in `ended`, and the job itself if the job is hidden.
local function release(ids)
  if #ids == 0 then
    return
  end
  local is_kept, over, hidden, left = {}, {}, {}, {}
  for _, name in ipairs({ 'effects:hook', 'effects:member', 'remembered' }) do
    local is_there = #ids == 1 or redis.call('EXISTS', key(name)) == 1
    for i, score in ipairs(is_there and redis.call('ZMSCORE', key(name), unpack(ids)) or {}) do
      is_kept[i] = is_kept[i] or score
    end
  end
  for i, ended in ipairs(redis.call('HMGET', key('ended'), unpack(ids))) do
    local list = is_kept[i] and left or hidden
    list[#list + 1] = ended and string.find(ended, '~', 1, true) and ids[i] or nil
    over[#over + 1] = not is_kept[i] and ids[i] or nil
  end
  if #left > 0 then
    mark(left)
  end
  if #over > 0 then
    redis.call('HDEL', key('ended'), unpack(over))
    erase(hidden)
    lower_flag()
  end
end

-- Forgets remembered jobs and bundles whose time is over, at most `most` of each. Returns their number.
local function forget_remembered(most)
  local over = redis.call('ZRANGE', key('remembered'), '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
  if #over > 0 then
    redis.call('ZREM', key('remembered'), unpack(over))
    release(over)
  end
  local bundles = forget_bundles(most)
  if bundles > 0 then
    lower_flag()
  end
  return #over + bundles
end

-- Remembers the ends of jobs for `ms` milliseconds (default: `RESEND_MEMORY`), so that watchers can read
-- these ends even if the jobs are removed. `how`: see end.lua.
local function remember_ends(state, ids, how, ms)
  local ended, remembered, reasons = {}, {}, {}
  local end_of = string.format('%s|%.0f', state, now)
  local over = string.format('%.0f', now + (ms or RESEND_MEMORY))
  for i, id in ipairs(ids) do
    ended[2 * i - 1], ended[2 * i] = id, end_of
    remembered[2 * i - 1], remembered[2 * i] = over, id
    reasons[2 * i - 1], reasons[2 * i] = id, 'removed'
  end
  redis.call('HSET', key('ended'), unpack(ended))
  redis.call('ZADD', key('remembered'), 'GT', unpack(remembered))
  redis.call('HSETNX', key('settings'), 'effects', 1)
  if how == 'removed' then
    redis.call('HSET', key('reasons'), unpack(reasons))
  end
  -- A call that adds entries also removes old entries: see `acknowledge`.
  forget_remembered(MAX_ITEMS)
end

-- Acknowledges at most `MAX_ITEMS` bundles, or effects of one kind whose jobs ended at the time `at`. A job
-- with another end time keeps its effect, because the caller has delivered an earlier end.
local function acknowledge_some(kind, at, ids)
  local over = string.format('%.0f', now + RESEND_MEMORY)
  if kind == 'b' then
    return acknowledge_bundles(ids, over)
  end
  local done, mark = {}, '|' .. at
  for i, ended in ipairs(redis.call('HMGET', key('ended'), unpack(ids))) do
    if ended and string.find(ended, mark, 1, true) then
      done[#done + 1] = ids[i]
    end
  end
  if #done > 0 and kind == 'h' then
    redis.call('ZREM', key('effects:hook'), unpack(done))
    release(done)
  elseif #done > 0 then
    local remembered = {}
    for i, score in ipairs(redis.call('ZMSCORE', key('effects:member'), unpack(done))) do
      if score then
        remembered[#remembered + 1], remembered[#remembered + 2] = over, done[i]
      end
    end
    if #remembered > 0 then
      redis.call('ZREM', key('effects:member'), unpack(done))
      redis.call('ZADD', key('remembered'), unpack(remembered))
    end
  end
end

-- Acknowledges effects. `names`: parts that are separated by tabs. A part is the first letter of a kind, the
-- time at which the jobs ended, and the ids of the jobs, one on each line; or it is `b`, and bundles or parts
-- of bundles, one on each line. A command takes only some thousand arguments, so long lists are cut.
local function acknowledge(names)
  for kind, at, list in string.gmatch(names, '([hmb])(%d*)([^\t]+)') do
    local ids = {}
    for id in string.gmatch(list, '[^\n]+') do
      ids[#ids + 1] = id
      if #ids == MAX_ITEMS then
        acknowledge_some(kind, at, ids)
        ids = {}
      end
    end
    if #ids > 0 then
      acknowledge_some(kind, at, ids)
    end
  end
  if names ~= '' then
    -- A call that adds remembered jobs also forgets old ones, because `prune` alone may be too slow.
    forget_remembered(MAX_ITEMS)
  end
end

-- If this call has written effects and has rung no caller yet, rings one for the effects: a waiting caller,
-- or if there is none, a worker that holds jobs. `heard`: how many callers this call has rung already.
-- Workers whose leases end last are tried first, because live workers renew their leases, and the lease that
-- ends first may belong to a dead worker.
local function ring_for_effects(heard)
  if not owed.is or heard > 0 or ring(1, true) > 0 then
    return
  end
  for _, token in ipairs(redis.call('ZRANGE', key('leases'), 0, 9, 'REV')) do
    if notify_holder(token) then
      return
    end
  end
end
