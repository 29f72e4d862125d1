-- watch: reports the fates of jobs, and registers the watcher, which is rung when another of these jobs ends.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  watcher
-- ARGV[3]  for how many milliseconds the jobs are watched
-- ARGV[4]  1 if the watcher wants news of the jobs, or ''
-- ARGV[5…] the ids of the jobs
-- Returns  { the letters and the ended jobs, as flow-fates.lua returns them; the progress of each job that
--          has not ended; the option `born` of each of these jobs }
-- Cost     O(n) for n ids
-- needs: start, fate, watching

-- This write makes a server that accepts no writes refuse the call, because a replica may lack the latest
-- ends.
redis.call('HDEL', key('watches'), '')

local ids, present, kept = { unpack(ARGV, 5) }, {}, {}
local fates, shown, room, records = fates_of(ids)
for i, id in ipairs(ids) do
  if string.sub(fates, i, i) == 'p' then
    present[#present + 1], kept[#kept + 1] = id, records[i]
  end
end
if #present > 0 then
  watching().watch(ARGV[2], present, tonumber(ARGV[3]), ARGV[4] == '1')
end
shown[#shown + 1] = progress_of(present, room)
shown[#shown + 1] = births_of(kept)
return { fates, unpack(shown) }
