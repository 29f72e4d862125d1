-- move-where: reports for jobs whether they are in this partition, are moving to another partition, or have
-- moved there.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] the ids of the jobs
-- Returns  three values for each job. For a job in this partition: `here`, its lane, and the name of the lock
--          that it holds, or ''. If not: `moving` or `moved`, its new partition, and the instant of the move
-- Cost     O(n) for n jobs
-- needs: start, line, admission, gone

local found = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local state, moved_at, to = gone(id)
  local lane, name = '', state and string.format('%.0f', moved_at) or ''
  if not state then
    local _, priority = queued(id, redis.call('HGET', key('jobs'), id))
    lane = string.match(priority, '@(.*)$') or ''
    local _, _, its = admission().read_lock(redis.call('HGET', key('locks'), id) or '')
    name = its and admission().locker(its) == id and its or ''
  end
  found[#found + 1], found[#found + 2], found[#found + 3] = state or 'here', to or lane, name
end
return found
