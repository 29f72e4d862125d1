-- get: one job.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  id
-- ARGV[3]  1 to leave out a payload that is kept apart, else ''
-- Returns  nothing, or the job as in show.lua
-- Cost     O(log m) for m jobs delayed or ended
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
