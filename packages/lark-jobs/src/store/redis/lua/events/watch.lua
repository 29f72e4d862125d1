-- watch: reports what became of jobs, and notes that the watcher is to be rung when another of them ends.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  watcher
-- ARGV[3]  milliseconds after which a watch lapses
-- ARGV[4]  1 if the watcher asks for news, or ''
-- ARGV[5…] ids
-- Returns  as flow-fates.lua; of those that have not ended, in their order, the progress, and what tells
--            them apart from others with their ids
-- Cost     O(n) for n ids
-- needs: start, fate, watching

-- A write, so that a server which accepts no writes refuses the call: a replica may lack the latest ends.
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
