-- The pending jobs that are suspended.
--   suspended  SET  ids. Their fields of `reasons` say for which signals they wait
--                   (`store/contract/rules/reason.ts`), after the number of their last run
-- needs: start, journaled
-- gives: is_suspended, note_suspended, leave_suspended

-- Whether the last run of a pending job has suspended it. `runs`: how many runs it had.
local function is_suspended(id, runs)
  return has_journals() and string.find(redis.call('HGET', key('reasons'), id) or '', '^' .. runs .. '|\29') ~= nil
end

-- Called when a job goes back to its line as it was before a claim. Notes the job as suspended if it was
-- suspended before. `runs`: how many runs the job had.
local function note_suspended(id, runs)
  if is_suspended(id, runs) then
    redis.call('SADD', key('suspended'), id)
  end
end

-- Notes that jobs have left their lines, so they are no longer suspended.
local function leave_suspended(ids)
  if #ids > 0 and has_journals() then
    redis.call('SREM', key('suspended'), unpack(ids))
  end
end
