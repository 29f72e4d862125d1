-- schedule-move: changes the home of a schedule, if the schedule still has the home that the caller names.
--
-- KEYS[1]  homes       HASH id of a schedule -> its home class-homes HASH the same for schedules that job
--          classes declare
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the schedule
-- ARGV[3]  the home that the caller has read, or '' for none
-- ARGV[4]  the new home of the schedule, or '' for none
-- ARGV[5]  1 if a job class declares the schedule, 0 if none does, '' to leave this unchanged
-- Returns  the home of the schedule after the call, or nothing
-- Cost     O(1)
-- needs: start

local id, to = ARGV[2], ARGV[4]
local kept = redis.call('HGET', key('homes'), id)
if (kept or '') ~= ARGV[3] then
  return kept
end
if to == '' then
  redis.call('HDEL', key('homes'), id)
else
  redis.call('HSET', key('homes'), id, to)
end
local is_of_class = ARGV[5] == '1' or ARGV[5] == '' and redis.call('HEXISTS', key('class-homes'), id) == 1
if to ~= '' and is_of_class then
  redis.call('HSET', key('class-homes'), id, to)
else
  redis.call('HDEL', key('class-homes'), id)
end
return to ~= '' and to
