-- move-meets: reports for jobs that are to be moved to this partition whether another job has their id or
-- holds their lock.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] two values for each job: its id, and the name of its lock, or ''
-- Returns  for each job 1 if another job has its id or holds its lock, or 0
-- Cost     O(n) for n jobs
-- needs: start, locate, admission

local found = {}
for i = 2, #ARGV, 2 do
  local id, lock = ARGV[i], ARGV[i + 1]
  local is_met = locate(id) or redis.call('ZSCORE', key('effects:hook'), id) or lock ~= '' and admission().locker(lock)
  found[#found + 1] = is_met and 1 or 0
end
return found
