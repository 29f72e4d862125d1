-- The pending jobs that are suspended.
--   suspended  SET  ids. The field of such a job in `reasons` has the number of its last run, and the signals
--                   for which the job waits (`store/contract/rules/reason.ts`)
-- needs: start, journaled
-- gives: is_suspended, note_suspended, leave_suspended

-- Whether the last run of a pending job has suspended the job. `runs`: how many runs the job has had.
local function is_suspended(id, runs)
  return has_journals() and string.find(redis.call('HGET', key('reasons'), id) or '', '^' .. runs .. '|\29') ~= nil
end

-- Called when a job goes back to its line and its claim did not count as a run. Notes the job as suspended if
-- it was suspended before the claim. `runs`: how many runs the job has had.
local function note_suspended(id, runs)
  if is_suspended(id, runs) then
    redis.call('SADD', key('suspended'), id)
  end
end

-- Takes jobs out of `suspended`, because they have left their lines.
local function leave_suspended(ids)
  if #ids > 0 and has_journals() then
    redis.call('SREM', key('suspended'), unpack(ids))
  end
end
