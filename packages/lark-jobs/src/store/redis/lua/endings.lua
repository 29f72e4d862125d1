-- endings: hands out jobs that ended without a running handler, and removes those whose ending has been handled.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many; fewer, if these do not fit into one answer
-- ARGV[3]  milliseconds for which they are not handed out again
-- ARGV[4…] ids of jobs whose ending has been handled
-- Returns  { the failed jobs, the cancelled jobs, as in shared/show.lua }
-- Cost     O(n log m) for n jobs handed out or handled, of m
-- needs: start, show, page

if #ARGV > 3 then
  redis.call('ZREM', key('endings'), unpack(ARGV, 4))
end
local found = { failed = {}, cancelled = {} }
local places = { failed = {}, cancelled = {} }
local due = redis.call('ZRANGE', key('endings'), '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for i = 1, fitting('failed', due) do
  local id = due[i]
  redis.call('ZADD', key('endings'), now + tonumber(ARGV[3]), id)
  for state, ids in pairs(found) do
    local at = redis.call('ZSCORE', key(state), id)
    if at then
      ids[#ids + 1], places[state][#ids + 1] = id, at
    end
  end
end
return { show('failed', found.failed, places.failed), show('cancelled', found.cancelled, places.cancelled) }
