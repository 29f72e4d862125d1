-- pause: pauses a group, or resumes it.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  the group (shared/lanes/lane.lua)
-- ARGV[3]  milliseconds; 0 to resume; '' to pause until it is resumed
-- ARGV[4]  who does it, if it is a person: a separator and the name (`store/contract/pause.ts`), or ''
-- Returns  { 1 if it was paused before, else 0; 1 if it has jobs, else 0 }
-- Cost     O(log m) for m groups
-- needs: start, lanes, ring

local was_paused = lanes().paused_until(ARGV[2]) > now
local has_jobs = lanes().pause(ARGV[2], ARGV[3] == '' and 2 ^ 53 or now + tonumber(ARGV[3]), ARGV[4])
lanes().reposition_all()
ring(MAX_ITEMS)
return { was_paused and 1 or 0, has_jobs and 1 or 0 }
