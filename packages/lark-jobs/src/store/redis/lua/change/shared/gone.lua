-- Jobs that have moved to another partition, and jobs that are moving (`store/contract/moves.ts`). Both are
-- hidden like removed jobs that have effects (effect.lua):
--   jobs          `~` and the text of the complete job. When the job has arrived, only `~` is left. The text
--                 has these parts, separated by RS: the place of the job; l if it holds its lock, f if it
--                 goes first in its lane, h if it is hooked, d if it must not be prefetched; its counters,
--                 errors, log, progress, ages (keeping.lua), record, separately stored payload, journal
--                 (journal.lua), and lock. Only the lock may contain an RS
--   ended         moving|when the job left|~the instant of the move|its new partition. When the job has
--                 arrived, `moved|` replaces `moving|`
--   effects:move  ZSET  id -> from when on the job is handed out: the moving jobs
--   remembered    ZSET  id -> until when the job is remembered: the jobs that have arrived
-- needs: start
-- gives: gone

-- Returns `moving` or `moved`, the instant of the move, and the new partition of the job. Returns nothing for
-- a job that was not moved.
local function gone(id)
  local state, moves, to = string.match(redis.call('HGET', key('ended'), id) or '', '^(mov%a+)|%d+|~(%d+)|(.*)$')
  return state, tonumber(moves), to
end
