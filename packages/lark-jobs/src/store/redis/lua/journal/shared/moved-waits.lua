-- Changes the end of the waits of a suspended job, when a person changes the due time of the job.
-- needs: counters, suspended, recordings
-- gives: move_waits

-- Sets a new end for all waits of a suspended job (`waitsEnd` of `store/contract/journals.ts`).
local function move_waits(id, till)
  if is_suspended(id, (counted(id))) then
    recordings().keep_entries(id, recordings().entry_count(id), { 'n\n' .. string.format('%.0f', till) })
  end
end
