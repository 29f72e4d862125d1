-- flow-get: reads a flow, or only its state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the flow
-- ARGV[3]  1 to read only the state of the flow, or ''
-- Returns  { the time; the flow (flows.lua), or nothing if the flow does not exist }. If ARGV[3] is 1,
--          returns only the state of the flow, or nothing
-- Cost     O(n) for n ends of nodes that no worker has read yet, at most 1,000; O(1) if ARGV[3] is 1
-- needs: start, flows

if ARGV[3] ~= '' then
  return redis.call('HGET', key('flow:' .. ARGV[2]), 'state')
end
return { string.format('%.0f', now), flows().read_flow(ARGV[2], true) or false }
