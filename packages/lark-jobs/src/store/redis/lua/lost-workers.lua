-- lost-workers: returns the workers that died within the last hour, and the jobs that were taken back from
-- these workers.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  three values for each worker, the latest death first: when the worker stopped counting as alive;
--          its record; and the takeovers of its jobs, as JSON
-- Cost     O(w) for w workers that are no longer alive, at most 1,000
-- needs: start, ended-workers

local from = string.format('(%.0f', now - LOST_KEPT)
local found = redis.call('ZRANGE', key('worker-ends'), now, from, 'BYSCORE', 'REV', 'LIMIT', 0, MAX_ITEMS, 'WITHSCORES')
local answer = {}
for i = 1, #found, 2 do
  local record = redis.call('HGET', key('workers'), found[i])
  if record and is_lost(record, tonumber(found[i + 1])) then
    answer[#answer + 1], answer[#answer + 2] = found[i + 1], record
    answer[#answer + 1] = redis.call('LRANGE', key('taken:' .. found[i]), 0, -1)
  end
end
return answer
