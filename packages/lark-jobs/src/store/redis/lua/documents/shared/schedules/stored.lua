-- Schedules. The scripts read neither their definitions nor their states.
--   schedules        HASH  id -> definition
--   schedule-states  HASH  id -> its revision number|state
--   schedule-runs    HASH  id -> its last runs, one on each line (runs.lua); '' if there are none
--   ticks            ZSET  id -> when the schedule is due (tick.lua)
-- module: schedules
-- needs: start
-- gives: number_of, stored

-- The revision number of a schedule, as text. A damaged state counts as having the number 0, so that a writer
-- can replace the schedule.
local function number_of(state)
  return string.match(state or '', '^(%d+)|') or '0'
end

-- The definitions, states and runs of schedules; false for a schedule that does not exist.
local function stored(ids)
  local found = {}
  for i, name in ipairs({ 'schedules', 'schedule-states', 'schedule-runs' }) do
    found[i] = #ids > 0 and redis.call('HMGET', key(name), unpack(ids)) or {}
  end
  return found[1], found[2], found[3]
end
