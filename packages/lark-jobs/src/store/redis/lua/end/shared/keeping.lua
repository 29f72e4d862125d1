-- Ended jobs that are kept for an age of their own: their class sets the age, or they are failed members of
-- flows.
--   keeps         HASH  id -> five ages in milliseconds: for the job if it completed, failed or was
--                       cancelled; for its log; and the minimum age in each state. 0: the job is not kept;
--                       '': the queue decides. The field exists from the dispatch of the job on
--   kept:<state>  ZSET  id -> when it ended: the ended jobs with an age of their own. Such jobs are not in
--                       `<state>`, so that the number and the ages of other jobs do not depend on them
--   kept          ZSET  id -> until when the job is kept
--   kept-logs     ZSET  id -> until when the log of an ended job is kept
-- `keeps` in `settings` is 1 while the hash `keeps` exists.
-- module: keeping
-- needs: start, retain, effects, failed_jobs
-- gives: carry, remember_unkept, keep_some, let_go, unpin, drop_old

local places = { completed = 1, failed = 2, cancelled = 3 }

-- Parses an entry of `keeps`: the age for this state, the age of the log, and the minimum age.
local function ages_of(entry, state)
  local ages = { string.match(entry or '', '^(%d*),(%d*),(%d*),(%d*),(%d*)$') }
  return tonumber(ages[places[state]]), tonumber(ages[4]), tonumber(ages[5])
end

local function add(name, scored)
  if #scored > 0 then
    redis.call('ZADD', key(name), unpack(scored))
  end
end

-- Notes how long new jobs are kept after their ends.
local function carry(ids, keep)
  for _, id in ipairs(ids) do
    redis.call('HSET', key('keeps'), id, keep)
  end
  redis.call('HSETNX', key('settings'), 'keeps', 1)
end

-- Whether the id of a job is the id of a member of a batch.
local function is_member(id)
  local index = string.match(id, '^[%w_-]+%..+:(%d%d%d%d%d%d%d%d)$')
  return index and tonumber(index) < NODES
end

-- Jobs that are not kept end and are removed at once. A process that awaits such a job may ask for it only
-- later, so the ends are remembered for UNKEPT_MEMORY (`contract/watch.ts`).
local function remember_unkept(state, ids)
  effects().remember_ends(state, ids, nil, UNKEPT_MEMORY)
end

-- Puts ending jobs with an age of their own, and failed members of flows, into the sets of this file. Returns
-- all other jobs.
local function keep_some(state, ids)
  local entries, others, none, scored, ends, logs = redis.call('HMGET', key('keeps'), unpack(ids)), {}, {}, {}, {}, {}
  local at = string.format('%.0f', now)
  local room = state == 'failed' and MAX_PINNED - redis.call('ZCARD', key('kept:failed')) or 0
  for i, id in ipairs(ids) do
    local own, log, least = ages_of(entries[i], state)
    if room > 0 and is_member(id) then
      least, room = PINNED, room - 1
    end
    local age = math.max(own or 0, least or 0)
    if not own and not least then
      others[#others + 1] = id
    elseif age == 0 then
      none[#none + 1] = id
    else
      scored[#scored + 1], scored[#scored + 2] = at, id
      ends[#ends + 1], ends[#ends + 2] = string.format('%.0f', now + age), id
    end
    if log then
      logs[#logs + 1], logs[#logs + 2] = string.format('%.0f', now + log), id
    end
  end
  add('kept:' .. state, scored)
  add('kept', ends)
  add('kept-logs', logs)
  if #none > 0 then
    remember_unkept(state, none)
    forget(none)
  end
  return others
end

-- Takes jobs out of the sets of jobs with an age of their own.
local function let_go(state, ids)
  redis.call('ZREM', key('kept:' .. state), unpack(ids))
  redis.call('ZREM', key('kept'), unpack(ids))
end

-- From now on, a failed member is kept for the age that its class sets, or as its queue says, and no longer
-- because of its flow. `kept`: how many failed jobs are kept.
local function unpin(id, kept)
  local own, _, least = ages_of(redis.call('HGET', key('keeps'), id), 'failed')
  local at = redis.call('ZSCORE', key('kept:failed'), id)
  if own or least then
    redis.call('ZADD', key('kept'), string.format('%.0f', at + math.max(own or 0, least or 0)), id)
  else
    let_go('failed', { id })
    add('failed', { at, id })
    if type(kept) == 'string' then
      failed_jobs().note_failed({ id }, at, {}, kept)
    end
    trim('failed', kept, 1)
  end
end

-- Removes jobs that have reached their own age, at most `most`, and expired logs. A job that has only a
-- minimum age, and has reached it, is kept as the queue says from now on. `counts`: how many jobs of each
-- state are kept. Returns how many jobs were removed, and how many jobs or logs had expired (the greater
-- number).
local function drop_old(most, counts)
  local ids = most > 0 and redis.call('ZRANGE', key('kept'), '-inf', now, 'BYSCORE', 'LIMIT', 0, most) or {}
  local gone = {}
  if #ids > 0 then
    local entries = redis.call('HMGET', key('keeps'), unpack(ids))
    for state in pairs(places) do
      local scored = {}
      for i, at in ipairs(redis.call('ZMSCORE', key('kept:' .. state), unpack(ids))) do
        local own, _, least = ages_of(entries[i], state)
        if at and least and not own then
          scored[#scored + 1], scored[#scored + 2] = at, ids[i]
        elseif at then
          gone[#gone + 1] = ids[i]
        end
      end
      let_go(state, ids)
      add(state, scored)
      if type(counts[state]) == 'string' then
        for n = 2, #scored, 2 do
          failed_jobs().note_failed({ scored[n] }, scored[n - 1], {}, counts[state])
        end
      end
      trim(state, counts[state], #scored / 2)
    end
    forget(gone)
  end
  local logs = redis.call('ZRANGE', key('kept-logs'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
  if #logs > 0 then
    redis.call('HDEL', key('logs'), unpack(logs))
    redis.call('ZREM', key('kept-logs'), unpack(logs))
  end
  return #gone, math.max(#ids, #logs)
end
