-- Jobs that were moved to another partition, and those on their way there (`store/contract/moves.ts`). They
-- are hidden in the same way as removed jobs with effects (effect.lua):
--   jobs          `~` and the text of everything that the job had. Once the job has arrived, only `~` is
--                 left. The text has these parts, separated by RS: the place of the job; l if it holds its
--                 lock, f if it goes first in its lane, h if it is hooked, d if it must not be prefetched;
--                 its counters, errors, log, progress, ages (keeping.lua), record, separately stored payload,
--                 journal (journal.lua), and lock. Only the lock may contain an RS
--   ended         moving|when the job left|~the instant of the move|its new partition. Once the job has
--                 arrived, it begins with moved|
--   effects:move  ZSET  id -> from when on the job is handed out: the jobs on their way
--   remembered    ZSET  id -> until when the job stays known: the jobs that have arrived
-- needs: start
-- gives: gone

-- Returns `moving` or `moved`, the instant of the move, and the partition to which the job goes; nothing for
-- any other job.
local function gone(id)
  local state, moves, to = string.match(redis.call('HGET', key('ended'), id) or '', '^(mov%a+)|%d+|~(%d+)|(.*)$')
  return state, tonumber(moves), to
end
