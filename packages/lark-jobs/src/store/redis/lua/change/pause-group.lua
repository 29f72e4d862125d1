-- pause-group: pauses a group, or resumes it.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  the group (lane.lua)
-- ARGV[3]  for how many milliseconds to pause the group; 0 to resume it; '' to pause it until somebody
--          resumes it
-- ARGV[4]  a separator and the name of the person who pauses the group (`store/contract/rules/pause.ts`), or
--          ''
-- Returns  a text: `p` if the group was paused before the call, followed by `j` if the group has jobs
-- Cost     O(log m) for m groups
-- needs: start, numbered, calls, lanes, ring

local answer = recalled()
if answer then
  return answer
end

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('paused'), '')
local was_paused = lanes().paused_until(ARGV[2]) > now
local has_jobs = lanes().pause(ARGV[2], ARGV[3] == '' and 2 ^ 53 or now + tonumber(ARGV[3]), ARGV[4])
lanes().reposition_all()
ring(MAX_ITEMS)
local before = (was_paused and 'p' or '') .. (has_jobs and 'j' or '')
remember(before)
return before
