-- prune: removes ended jobs that have reached their age: at most 1,000, and fewer if there are large jobs.
-- Also removes other expired data, and rolls up the hours that are over.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the age in milliseconds at which completed jobs are removed
-- ARGV[3]  the age at which failed jobs are removed
-- ARGV[4]  the age at which cancelled jobs are removed
-- ARGV[5]  how many completed jobs are kept
-- ARGV[6]  how many failed jobs are kept
-- ARGV[7]  how many cancelled jobs are kept
-- Returns  how many jobs were removed, as a negative number if there may be more (removed.lua); 1,000 if
--          there may be more acknowledged effects to forget
-- Cost     O(n + log m) for n removed jobs of m ended jobs, and for as many ended throttles; O(1) for each
--          hour that is rolled up
-- needs: start, removed, retain, effects, keeping, roll-up, early

local most = most_removed()
local left = most
for i, state in ipairs(ENDED_STATES) do
  if left > 0 then
    local until_then = now - tonumber(ARGV[i + 1])
    local old = redis.call('ZRANGE', key(state), '-inf', until_then, 'BYSCORE', 'LIMIT', 0, left)
    if #old > 0 then
      redis.call('ZREM', key(state), unpack(old))
      forget_of(state, old)
      left = left - #old
    end
  end
end
local over = redis.call('ZRANGE', key('throttles'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
if #over > 0 then
  redis.call('ZREM', key('throttles'), unpack(over))
  redis.call('HDEL', key('throttlers'), unpack(over))
end
if redis.call('EXISTS', key('pausers')) == 1 then
  local paused = redis.call('ZRANGE', key('paused'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
  if #paused > 0 then
    redis.call('HDEL', key('pausers'), unpack(paused))
  end
end
redis.call('ZREMRANGEBYSCORE', key('paused'), '-inf', now)
roll_up()
forget_early()
redis.call('ZREMRANGEBYSCORE', key('relayed'), '-inf', now)
local found = 0
if redis.call('EXISTS', key('remembered'), key('remembered:bundle'), key('kept'), key('kept-logs')) > 0 then
  local counts = { completed = tonumber(ARGV[5]), failed = read_kept(ARGV[6]), cancelled = tonumber(ARGV[7]) }
  local gone, dropped = keeping().drop_old(left, counts)
  left, found = left - gone, math.max(dropped, effects().forget_remembered(MAX_ITEMS))
end
return found >= most and MAX_ITEMS or removed(most - left, most)
