-- Says whether the partition has journals (journal.lua), so that other scripts need not look for them.
-- needs: start
-- gives: journaled, has_journals, has_recorded

-- `is`: the number of journals in the partition, or false; nothing if this call has not read the number yet.
local journaled = {}

local function has_journals()
  if journaled.is == nil then
    journaled.is = redis.call('HGET', key('settings'), 'journals')
  end
  return journaled.is
end

-- Whether the steps of a job have recorded something.
local function has_recorded(id)
  return has_journals() and redis.call('LLEN', key('steps:' .. id)) > 1
end
