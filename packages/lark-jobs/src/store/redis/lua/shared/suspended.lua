-- Which pending jobs are suspended.
--   suspended  SET  ids. Their fields of `reasons` say for which signals they wait
--                   (`store/contract/rules/reason.ts`), after the number of their last run
-- needs: start, journaled
-- gives: is_suspended, note_suspended, leave_suspended

-- Whether the last run of a pending job has suspended it. `runs`: how many runs it had.
local function is_suspended(id, runs)
  return has_journals() and string.find(redis.call('HGET', key('reasons'), id) or '', '^' .. runs .. '|\29') ~= nil
end

-- Notes that a job goes back to its line in the state that it had before a claim. `runs`: how many runs it
-- had.
local function note_suspended(id, runs)
  if is_suspended(id, runs) then
    redis.call('SADD', key('suspended'), id)
  end
end

-- Notes that jobs have left their lines.
local function leave_suspended(ids)
  if #ids > 0 and has_journals() then
    redis.call('SREM', key('suspended'), unpack(ids))
  end
end
