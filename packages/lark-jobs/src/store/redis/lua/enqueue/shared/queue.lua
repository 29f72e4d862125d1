-- Puts new jobs into their lines.
-- needs: start, line, place, lanes, payloads, pause
-- gives: new_batch, read_runs, open_lines, write, are_first, line_up

-- A batch of new jobs. `ids`: all ids. `records`: ids and records alternating. `runs`: series of similar
-- jobs, each with the fields that its jobs have in common and the `list` of their ids. `is_plain`: whether no
-- job has a lock, and none came through an outbox. `large`: the payloads that are stored separately, by the
-- index of the job.
local function new_batch()
  return { ids = {}, records = {}, runs = {}, is_plain = true, large = {} }
end

-- Adds the series of similar jobs in ARGV[at] to ARGV[to] to a batch. (A call of 100 jobs takes 157 µs
-- without admit.lua, which decides about each job, and 184 µs with admit.lua. So a call runs admit.lua only
-- if some jobs may have to be refused.)
local function read_runs(batch, at, to)
  local ids, records, runs, large = batch.ids, batch.records, batch.runs, batch.large
  while at <= to do
    local head, keep, relayed = ARGV[at], nil, nil
    if string.byte(head) == 107 then
      keep, relayed, head = string.match(head, '^k([%d,]*)(r?);(.*)$')
    end
    local hooked, own, direct, priority, limits, lock = string.match(head, '^(h?)([io]?)(d?)([^|~]*)~?([^|]*)|?(.*)$')
    local first, last = #ids + 1, #ids + tonumber(ARGV[at + 2])
    local list = { unpack(ARGV, at + 3, at + 2 + 2 * (last - first + 1)) }
    local after, n = string.format('%d', now - made_at(list[1])), first
    for i = 1, #list, 2 do
      local record = list[i + 1]
      if #after + #record > MAX_SMALL then
        record, large[n] = payloads().part(record)
      end
      ids[n], list[i + 1], n = list[i], after .. record, n + 1
    end
    runs[#runs + 1] = {
      priority = priority, hooked = hooked, own = own, direct = direct, keep = keep, relayed = relayed == 'r', limits = limits, lock = lock,
      delay = ARGV[at + 1], first = first, last = last, list = { unpack(ids, first, last) },
    }
    if first == 1 then
      records = list
    else
      for i = 1, #list do
        records[#records + 1] = list[i]
      end
    end
    at, batch.is_plain = at + 3 + #list, batch.is_plain and lock == '' and relayed ~= 'r'
  end
  batch.records = records
end

-- Opens the lines for the priorities of new jobs, and marks the series whose priority is refused
-- (`is_crowded`). Returns whether a series was marked.
local function open_lines(runs)
  local is_crowded = false
  for _, run in ipairs(runs) do
    if run.priority ~= '' and not string.find(run.priority, '@', 1, true) then
      run.is_crowded = not may_open(run.priority)
      is_crowded = is_crowded or run.is_crowded
    end
  end
  return is_crowded
end

-- Writes the records of new jobs, and returns how many records are new. If one of the ids exists already,
-- writes no record and returns
-- 0. (A call of one job needs only one command, HSETNX. An idle server takes 8 µs for each command.)
local function write(ids, records)
  if #ids == 1 then
    return redis.call('HSETNX', key('jobs'), ids[1], records[2])
  end
  local known = redis.call('HMGET', key('jobs'), unpack(ids))
  for i = 1, #ids do
    if known[i] then
      return 0
    end
  end
  return redis.call('HSET', key('jobs'), unpack(records))
end

-- Whether new jobs can be handed out with a ring: no other job waits, so the new jobs are the first in their
-- line. (A ring carries no signals. So no job is handed out with a ring while the partition keeps signals for
-- jobs that do not exist yet.)
local function are_first(runs)
  for _, run in ipairs(runs) do
    if run.priority ~= '' or run.delay ~= '' or run.lock ~= '' or run.direct ~= '' then
      return false
    end
  end
  return not in_cluster and not pause_left(redis.call('HGET', key('settings'), 'paused'))
    and redis.call('EXISTS', line('line', ''), line('due', ''), line('void', ''), key('priorities'), key('early')) == 0
end

-- Returns the jobs that can be appended to the list of a line. A job whose id has a void entry in the list
-- cannot be appended, and is put into the `due` half of the line.
local function fresh(list, priority)
  if redis.call('EXISTS', line('void', priority)) == 0 then
    return list
  end
  local rest = {}
  for i, void in ipairs(redis.call('SMISMEMBER', line('void', priority), unpack(list))) do
    if void == 1 then
      put(list[i], priority, now)
    else
      rest[#rest + 1] = list[i]
    end
  end
  return rest
end

local function has(list, id)
  for _, each in ipairs(list) do
    if each == id then
      return true
    end
  end
  return false
end

-- Puts the jobs in the `list` of each series into their line or lane. Returns how many callers to ring: one
-- for each job that is due at once, and one for a delayed job that is now the first of its line to be due.
local function line_up(runs, has_no_void)
  local rings = 0
  for _, run in ipairs(runs) do
    local list, priority = run.list, run.priority
    local is_laned = string.find(priority, '@', 1, true)
    if #list > 0 and is_laned then
      rings = rings + lanes().enter_all(priority, run.limits, list, now + (tonumber(run.delay) or 0))
      list = {}
    end
    if #list > 0 and run.delay == '' then
      rings = rings + #list
      list = has_no_void and list or fresh(list, priority)
      if #list > 0 then
        redis.call('RPUSH', line('line', priority), unpack(list))
      end
    elseif #list > 0 then
      local due, place = {}, now + tonumber(run.delay)
      for i, id in ipairs(list) do
        due[2 * i - 1], due[2 * i] = place, id
      end
      redis.call('ZADD', line('due', priority), unpack(due))
      if not run.is_expected and has(list, redis.call('ZRANGE', line('due', priority), 0, 0)[1]) then
        rings = rings + 1
      end
    end
  end
  return rings
end
