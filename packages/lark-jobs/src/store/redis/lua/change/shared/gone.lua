-- Jobs that were moved to another partition, and those on their way there (`store/contract/moves.ts`). They
-- are hidden, as removed jobs with effects are (effect.lua):
--   jobs          `~` and the text of all that the job had; `~` alone once it has arrived. The text has, with
--                 RS in between: its place; l if it holds its lock, f if it goes first in its lane, h if it
--                 is hooked, d if it is not prefetched; its counters, errors, log, progress, ages
--                 (keeping.lua), record, payload that is kept apart, journal (journal.lua), and lock. Only
--                 the lock may have an RS in it
--   ended         moving|when it left|~the instant of the move|to which partition; once it has arrived,
--                 moved|…
--   effects:move  ZSET  id -> from when on it is handed out: those on their way
--   remembered    ZSET  id -> until when: those that have arrived
-- needs: start
-- gives: gone

-- Returns `moving` or `moved`, the instant of the move, and the partition to which the job goes; nothing for
-- any other job.
local function gone(id)
  local state, moves, to = string.match(redis.call('HGET', key('ended'), id) or '', '^(mov%a+)|%d+|~(%d+)|(.*)$')
  return state, tonumber(moves), to
end
