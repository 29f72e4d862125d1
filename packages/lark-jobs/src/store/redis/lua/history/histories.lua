-- histories: returns how many jobs ended in partitions, by minute, hour and day.
--
-- KEYS[1]  partitions  SET of names; on a cluster jobs, HASH id -> record, of the one partition
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] the names of the partitions
-- Returns  { the time; for each partition, in the order of the arguments: { the answer of minutes.lua for all
--          minutes that are kept; the hours; the days (roll-up.lua) }, or the error of a damaged partition }
-- Cost     O(n) for n partitions
-- needs: start, visit, minute, recent

local this, all, hours, days = math.floor(now / MINUTE), { now }, {}, {}
for i = 1, HOURS do
  hours[i] = 'h' .. i - 1
end
for i = 1, DAYS do
  days[i] = 'd' .. i - 1
end

local function history()
  local sums, found = key('history'), append_minutes({}, this - MINUTES_KEPT, this)
  if redis.call('EXISTS', sums) == 0 then
    return { found, {}, {} }
  end
  return { found, redis.call('HMGET', sums, unpack(hours)), redis.call('HMGET', sums, unpack(days)) }
end

for i = 2, #ARGV do
  visit(ARGV[i])
  local is_sound, found = pcall(history)
  all[i] = is_sound and found or type(found) == 'table' and found.err or tostring(found)
end
return all
