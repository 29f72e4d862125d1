-- extend: renews the leases of jobs, marks the jobs as started, stores the progress and the log lines of the
-- jobs, and returns notices about the jobs.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  lease, milliseconds
-- ARGV[3…] three values for each note: id, token, and report (report.lua). The report begins with 1 if the
--          job is a suspect that runs alone from now on, 0 if it is a suspect that runs beside other jobs,
--          and - if the job has not begun
-- Returns  '' if there is nothing to report, or { the ids of the jobs whose lease is lost; the ids of the
--          jobs with a notice; the reasons of these notices; the ids of the jobs that somebody watches }
-- Cost     O(n log m) for n notes and m claims
-- needs: start, reports, notice, holder, beginnings, watchers

local ids = {}
for i = 3, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script. A live worker must not lose its jobs because the server is full.
redis.call('ZREM', key('leases'), '')

local holders = redis.call('HMGET', key('holders'), unpack(ids))
-- Usually there are no notices and no watches, so one command checks both.
local noticed = redis.call('EXISTS', key('notices'), key('watches')) > 0

local lost, asked, reasons, watched, renewed = {}, {}, {}, {}, {}
local ends = now + tonumber(ARGV[2])
for i, id in ipairs(ids) do
  local holder, token, alone, report = holders[i], ARGV[3 * i + 1], '', ARGV[3 * i + 2]
  if string.find(report, '^[01-]') then
    alone, report = string.sub(report, 1, 1), string.sub(report, 2)
  end
  -- The holder field of most started jobs is exactly this text, so most fields need no parsing.
  local has_started = holder == token .. '|'
  if has_started or is_held(holder, token) then
    if not renewed[token] then
      redis.call('ZADD', key('leases'), ends, token)
      renewed[token] = true
    end
    if alone ~= '' or not has_started then
      beginnings().note_beginning(id, holder, token, alone)
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
return #lost + #asked + #watched > 0 and { lost, asked, reasons, watched } or ''
