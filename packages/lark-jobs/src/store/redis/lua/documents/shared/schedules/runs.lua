-- The last runs of a schedule, one on each line: the instant of the tick, in the form of the job's id; the
-- state in which the job ended; when the job ended; and if known, how many milliseconds the run took.
-- module: schedules
-- needs: start
-- gives: note_runs

local function last_lines(text)
  local _, breaks = string.gsub(text, '\n', '\n')
  local from = 1
  for _ = MAX_RUNS, breaks do
    from = string.find(text, '\n', from, true) + 1
  end
  return string.sub(text, from)
end

-- Adds a run to the schedule of each of these jobs that is the job of a tick. (The id shows this:
-- `model/tick.ts`.) `took`: how many milliseconds each run took, by id.
local function note_runs(state, ids, took)
  local names, lines = {}, {}
  for _, id in ipairs(ids) do
    local name, instant = string.match(id, '^(.+)@(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[.%d]*Z)$')
    if name then
      names[#names + 1] = not lines[name] and name or nil
      local run = string.format('%s %s %.0f', instant, state, now)
      lines[name] = (lines[name] and lines[name] .. '\n' or '') .. run .. (took[id] and ' ' .. took[id] or '')
    end
  end
  local noted = {}
  for i, kept in ipairs(#names > 0 and redis.call('HMGET', key('schedule-runs'), unpack(names)) or {}) do
    -- A schedule that was removed gets no run.
    if kept then
      local all = kept == '' and lines[names[i]] or kept .. '\n' .. lines[names[i]]
      noted[#noted + 1], noted[#noted + 2] = names[i], last_lines(all)
    end
  end
  if #noted > 0 then
    redis.call('HSET', key('schedule-runs'), unpack(noted))
  end
end
