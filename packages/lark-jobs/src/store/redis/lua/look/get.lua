-- get: returns one job.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the job
-- ARGV[3]  1 to leave out a payload that is stored separately, otherwise ''
-- Returns  nothing, or the job in the form of show.lua
-- Cost     O(log m) for m delayed or ended jobs
-- needs: start, locate, show

local id = ARGV[2]
local state, _, _, place = locate(id)
if not state then
  return false
end
if state == 'completed' or state == 'failed' or state == 'cancelled' then
  place = redis.call('ZSCORE', key((place or '') .. state), id)
end
return show(state, { id }, { place or false }, nil, ARGV[3] == '1')
