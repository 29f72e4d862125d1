-- worker-runs: returns the records of live and ended workers that have counts of runs, and the sum of the
-- runs of all other workers.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  { the time; the sum, or ''; three values for each worker, the worker that counts as alive for
--          longest first: its name, until when it counts as alive, and its record }
-- Cost     O(w) for w workers, at most 1,000
-- needs: start

local found = redis.call('ZRANGE', key('worker-ends'), '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, MAX_ITEMS, 'WITHSCORES')
local ids, answer = {}, { string.format('%.0f', now), redis.call('GET', key('past-runs')) or '' }
for i = 1, #found, 2 do
  ids[#ids + 1] = found[i]
end
for i, record in ipairs(#ids > 0 and redis.call('HMGET', key('workers'), unpack(ids)) or {}) do
  if record and string.find(record, '"runs":', 1, true) then
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = ids[i], found[2 * i], record
  end
end
return answer
