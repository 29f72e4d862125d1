-- The watchers of jobs.
--   watches  HASH  id -> until when|watcher, one on each line
-- module: watchers
-- needs: start
-- gives: watchers_of

-- Returns for each job the watchers whose time is not over, and the list of the jobs that have a field in
-- `watches`.
local function watchers_of(ids)
  local all, noted = redis.call('HMGET', key('watches'), unpack(ids)), {}
  for i, lines in ipairs(all) do
    noted[#noted + 1] = lines and ids[i] or nil
    all[i] = {}
    for till, watcher in string.gmatch(lines or '', '(%d+)|([^\n]+)') do
      table.insert(all[i], tonumber(till) > now and watcher or nil)
    end
  end
  return all, noted
end
