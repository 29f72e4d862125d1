-- pause-group: pauses a group, or resumes it.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's; then the call (numbered.lua), and as if that were not there:
-- ARGV[2]  the group (lane.lua)
-- ARGV[3]  milliseconds; 0 to resume; '' to pause until it is resumed
-- ARGV[4]  who does it, if it is a person: a separator and the name (`store/contract/rules/pause.ts`), or ''
-- Returns  `p` if it was paused before, and `j` if it has jobs
-- Cost     O(log m) for m groups
-- needs: start, numbered, calls, lanes, ring

local answer = recalled()
if answer then
  return answer
end

-- This write comes first because a full server allows it. After a write, the server allows the rest of a
-- script.
redis.call('ZREM', key('paused'), '')
local was_paused = lanes().paused_until(ARGV[2]) > now
local has_jobs = lanes().pause(ARGV[2], ARGV[3] == '' and 2 ^ 53 or now + tonumber(ARGV[3]), ARGV[4])
lanes().reposition_all()
ring(MAX_ITEMS)
local before = (was_paused and 'p' or '') .. (has_jobs and 'j' or '')
remember(before)
return before
