-- Jobs whose steps must be undone before they end. `store/contract/rules/undoing.ts` has the same rules.
-- needs: start, line, place, counters, suspended, last_tokens, journaled, retrying
-- gives: undo_of, undo_first, is_undone_first

-- The text about the undos of a job; nothing if the job has no steps to undo.
local function undo_of(id)
  return has_journals() and redis.call('HGET', key('undos'), id) or nil
end

-- Notes how a job will end after its steps are undone, and puts the job into its line. Before the call, the
-- job must be in no line and have no holder. Returns whether the job is now the first of its line to be due.
local function undo_first(id, text)
  local runs, _, _, releases = counted(id)
  count(id, runs, 0, 0, releases)
  redis.call('HSET', key('undos'), id, text)
  redis.call('HSET', key('reasons'), id, '\27')
  leave_suspended({ id })
  last_tokens().may_settle(id, 1)
  local _, priority = queued(id, redis.call('HGET', key('jobs'), id))
  note_retrying(id, 0, now)
  return put(id, priority, now, true)
end

-- If a job that would end now has steps to undo, puts the job back into its line, so that a run undoes the
-- steps first. Returns whether the job has steps to undo.
local function is_undone_first(id, text)
  if undo_of(id) ~= '' then
    return false
  end
  undo_first(id, text)
  return true
end
