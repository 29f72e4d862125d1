-- flow-get: reads a flow.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  id
-- Returns  { the time; the flow (shared/flows/flow.lua), or nothing }
-- Cost     O(n) for n news, at most 1,000
-- needs: start, flows

return { string.format('%.0f', now), flows().read_flow(ARGV[2], true) or false }
