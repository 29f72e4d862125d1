-- Settles jobs.
-- needs: start, lanes, lease, reports, after_run, end, minute, event, late_outcomes, holder, recordings
-- gives: settle

-- Returns which of the jobs are held under the given tokens: the ids of these jobs, the index of each, and
-- the number of these jobs by token.
local function verify(ids, tokens, holders)
  local settled, index, parts = {}, {}, {}
  local good, shown, part = nil, nil, 0
  for i = 1, #ids do
    local id, holder, token = ids[i], holders[i], tokens[i]
    -- Most jobs have the same token and the same holder field as the job before them, and need only these two
    -- comparisons.
    if holder and (holder ~= good or token ~= shown) and is_held(holder, token) then
      parts[shown or token] = part
      good, shown, part = holder, token, parts[token] or 0
    end
    if holder and holder == good and token == shown and not index[id] then
      index[id], settled[#settled + 1] = i, id
      part = part + 1
    end
  end
  if shown then
    parts[shown] = part
  end
  return settled, index, parts
end

-- Returns the settled jobs that have run, but whose holder field does not say yet that they have begun.
-- `plain`: the number of jobs that completed and report nothing else. `first`: see `settle`.
local function begun_of(settled, index, holders, plain, first)
  local begun = {}
  for _, id in ipairs(settled) do
    local i = index[id]
    local _, start = read_holder(holders[i])
    local has_run = i <= plain or ARGV[first + 5 * (i - plain) - 2] ~= 'unstarted'
    begun[#begun + 1] = has_run and not has_begun(start) and id or nil
  end
  return begun
end

-- Makes lost jobs active again if their late outcomes still count. Returns whether there are such jobs.
local function hold_late(ids, tokens, holders, index, plain, first)
  local is_any = false
  for i, id in ipairs(ids) do
    if not index[id] and not holders[i] and (i <= plain or ARGV[first + 5 * (i - plain) - 2] ~= 'unstarted') then
      holders[i] = late_outcomes().hold_again(id, tokens[i])
      is_any = is_any or holders[i]
    end
  end
  return is_any
end

local function verdicts_of(ids, index)
  local verdicts = {}
  for i, id in ipairs(ids) do
    verdicts[i] = index[id] == i and '1' or '0'
  end
  return table.concat(verdicts)
end

-- Settles jobs. ARGV[first]: the jobs that completed and report nothing else, `token\nid\nid…`, joined by
-- tabs. The next arguments are five values for each other job: its id, token, kind and value, and a text with
-- its steps (recording.lua), progress and log lines (report.lua). The kind is an outcome of after-run.lua, or
-- `completed`, or `result` (the job completed, and the value is its result), or `timed` (the job completed,
-- and the value is the milliseconds that its run took, with `|` and the result if there is one). `laned`:
-- whether some jobs may be in lanes. Returns '' if all jobs are settled, or else a text with 1 (settled) or 0
-- (lost) for each job, in this order; and how many jobs are settled.
local function settle(first, kept, laned)
  local ids, tokens = {}, {}
  local plain = 0
  for token, list in string.gmatch(ARGV[first], '([^\t\n]+)\n([^\t]+)') do
    -- A plain search takes half the time of a pattern.
    local from, to = 1, string.find(list, '\n', 1, true)
    while from do
      plain = plain + 1
      ids[plain], tokens[plain] = string.sub(list, from, to and to - 1), token
      from, to = to and to + 1, to and string.find(list, '\n', to + 1, true)
    end
  end
  for i = first + 1, #ARGV, 5 do
    ids[#ids + 1], tokens[#tokens + 1] = ARGV[i], ARGV[i + 1]
  end
  if #ids == 0 then
    return '', 0
  end
  local holders = redis.call('HMGET', key('holders'), unpack(ids))
  local settled, index, parts = verify(ids, tokens, holders)
  if #settled < #ids and hold_late(ids, tokens, holders, index, plain, first) then
    settled, index, parts = verify(ids, tokens, holders)
  end
  if #settled == 0 then
    return verdicts_of(ids, index), 0
  end
  redis.call('HDEL', key('holders'), unpack(settled))
  if is_heard() then
    tell('started', begun_of(settled, index, holders, plain, first))
  end
  for token, part in pairs(parts) do
    leave_claim(token, part)
  end
  for n = 1, laned and #settled or 0 do
    lanes().end_busy(holders[index[settled[n]]])
  end
  local notices = {}
  if redis.call('EXISTS', key('notices')) == 1 then
    notices = redis.call('HMGET', key('notices'), unpack(settled))
    redis.call('HDEL', key('notices'), unpack(settled))
  end
  local completed, results, ended = {}, {}, {}
  for n = 1, #settled do
    local id = settled[n]
    local i = index[id]
    if i <= plain then
      completed[n] = id
    else
      local at = first + 5 * (i - plain) - 2
      local kind, value, log = ARGV[at], ARGV[at + 1], ARGV[at + 2]
      ended[kind] = (ended[kind] or 0) + 1
      if string.byte(log) == 29 then
        log = recordings().take_steps(id, log)
      end
      if log ~= '' then
        reports().keep_report(id, log)
      end
      if kind == 'completed' then
        completed[#completed + 1] = id
      elseif kind == 'result' then
        completed[#completed + 1] = id
        results[#results + 1] = id
        results[#results + 1] = value
      elseif kind == 'timed' then
        local took, bar = string.match(value, '^(%d+)()')
        completed[#completed + 1] = id
        ends.took = ends.took or {}
        ends.took[id] = took
        if bar <= #value then
          results[#results + 1] = id
          results[#results + 1] = string.sub(value, bar + 1)
        end
      else
        local job = { holder = holders[i], notice = notices[n], kept = kept }
        if after_run().outcomes[kind](id, value, job) and kind == 'failed' then
          ended.failed = ended.failed - 1
        end
      end
    end
  end
  if #results > 0 then
    redis.call('HSET', key('results'), unpack(results))
  end
  end_as('completed', completed, kept.completed)
  count_minute('completed', #completed)
  count_minute('failed', ended.failed or 0)
  count_minute('retried', ended.retried or 0)
  return #settled < #ids and verdicts_of(ids, index) or '', #settled
end
