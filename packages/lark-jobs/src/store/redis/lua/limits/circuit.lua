-- circuit: reports an event of a run to a circuit breaker, and returns its state.
--
-- KEYS[1]  circuit     HASH while the circuit is open: opening, when it opened; trial, when the next trial is
--                      due
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  how many failures open the circuit
-- ARGV[3]  the period within which these failures must happen, milliseconds
-- ARGV[4]  how long the circuit stays open, milliseconds
-- ARGV[5]  the event: begins, failed, passed or undecided
-- ARGV[6]  the opening to which the run belongs, if the run was a trial; otherwise ''
-- ARGV[7]  the id of the failure, or ''
-- Returns  { closed, trial or open; for `trial` the opening, for `open` the milliseconds until a trial }
-- Cost     O(log f) for f stored failures
-- needs: start

local circuit, failures, event = key('circuit'), key('failures'), ARGV[5]
local function try_at(time)
  -- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
  -- then also all other writes of the script.
  redis.call('HDEL', circuit, 'trial')
  redis.call('HSET', circuit, 'trial', time)
  return time
end
local opening, trial = unpack(redis.call('HMGET', circuit, 'opening', 'trial'))

if not opening and event == 'failed' then
  redis.call('ZREMRANGEBYSCORE', failures, '-inf', now - tonumber(ARGV[3]))
  redis.call('ZADD', failures, 'NX', now, ARGV[7])
  if redis.call('ZCARD', failures) >= tonumber(ARGV[2]) then
    redis.call('DEL', failures)
    opening, trial = now, now + tonumber(ARGV[4])
    redis.call('HSET', circuit, 'opening', opening, 'trial', trial)
  end
elseif opening == ARGV[6] and event == 'passed' then
  redis.call('DEL', circuit)
  opening = false
elseif opening == ARGV[6] and event == 'undecided' then
  trial = try_at(now)
elseif opening and (opening == ARGV[6] and event == 'failed' or event == 'begins' and now >= tonumber(trial)) then
  trial = try_at(now + tonumber(ARGV[4]))
  if event == 'begins' then
    return { 'trial', tonumber(opening) }
  end
end
if not opening then
  return { 'closed', 0 }
end
return { 'open', math.max(0, tonumber(trial) - now) }
