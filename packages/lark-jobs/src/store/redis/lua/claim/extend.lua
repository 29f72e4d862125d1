-- extend: renews the claims of jobs, marks the jobs as started, stores progress and log lines, returns
-- notices.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  lease, milliseconds
-- ARGV[3…] three for each note: id, token, steps (journal.lua), progress and log lines (report.lua). For a
--          suspect, this begins with 1 if it runs alone from now on, and with 0 if not; for a job that has
--          not begun, with -
-- Returns  '' if there is nothing to say, or { ids whose lease is lost; ids with a notice; the reasons of
--            these notices; ids that somebody watches; signals that were asked for, or nothing: an id, a list
--            of names and texts, another id, …; journals that lack entries, or nothing: { an id; how many it
--            has }, … }
-- Cost     O(n log m) for n notes among m claims
-- needs: start, reports, notice, event, holder, recordings, watchers

local ids = {}
for i = 3, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
-- This write comes first because a full server allows it. After a write, the server allows the rest of a
-- script. A live worker must not lose its jobs because the server is full.
redis.call('ZREM', key('leases'), '')

local holders = redis.call('HMGET', key('holders'), unpack(ids))
-- Usually none of these exists. A key counts as often as it is named, so an odd number means that somebody
-- listens.
local found = redis.call('EXISTS', key('notices'), key('notices'), key('watches'), key('watches'), key('events'))
local noticed, begun = found > 1, {}

-- The text in the holder field about whether the job has begun (holder.lua), when a worker says that it has.
local function started(start, alone)
  if alone == '-' then
    return start
  elseif start == 'a' or alone == '1' then
    return ''
  end
  return (start == 's' or alone == '0') and 'b' or start
end

local function note_start(id, holder, token, alone)
  local _, start = read_holder(holder)
  local has = started(start, alone)
  if has ~= start then
    begun[#begun + 1] = not has_begun(start) and has_begun(has) and id or nil
    redis.call('HSET', key('holders'), id, token .. '|' .. has .. string.sub(holder, #token + 2 + #start))
  end
end

local lost, asked, reasons, watched, renewed, told, short = {}, {}, {}, {}, {}, {}, {}
local ends = now + tonumber(ARGV[2])
for i, id in ipairs(ids) do
  local holder, token, alone, report = holders[i], ARGV[3 * i + 1], '', ARGV[3 * i + 2]
  if string.find(report, '^[01-]') then
    alone, report = string.sub(report, 1, 1), string.sub(report, 2)
  end
  -- Most holder fields are just this text.
  local has_started = holder == token .. '|'
  if has_started or is_held(holder, token) then
    if not renewed[token] then
      redis.call('ZADD', key('leases'), ends, token)
      renewed[token] = true
    end
    if alone ~= '' or not has_started then
      note_start(id, holder, token, alone)
    end
    if string.byte(report) == 29 then
      local signals, count
      report, signals, count = recordings().take_steps(id, report)
      told[#told + 1], told[#told + 2] = signals and id, signals
      short[#short + 1] = count and { id, count }
    end
    local progress = report ~= '' and reports().keep_report(id, report, true)
    local its = noticed and watchers().watchers_of({ id })[1] or {}
    if #its > 0 then
      watched[#watched + 1] = id
    end
    for _, watcher in ipairs(progress and its or {}) do
      notify(watcher)
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
if found % 2 == 1 then
  tell('started', begun)
end
if #lost + #asked + #watched + #told + #short == 0 then
  return ''
end
return { lost, asked, reasons, watched, #told > 0 and told or #short > 0 and {}, #short > 0 and short or nil }
