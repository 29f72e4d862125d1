-- flow-fates: reports the fates of members of flows.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] the ids of the jobs
-- Returns  { for each id the letter of its fate (see fate.lua); for each state, the ended jobs in the form of
--          show.lua, without payloads (fate.lua); for each unknown job, when it completed if it was in a
--          bundle (bundle.lua), or '' }
-- Cost     O(n) for n ids, and O(log m) for each unknown job, for m ranges of members in bundles of its flow
-- needs: fate, effects

if #ARGV < 2 then
  return { '' }
end
local fates, shown = fates_of({ unpack(ARGV, 2) })
local unknown, ends = {}, {}
for i = 1, #fates do
  unknown[#unknown + 1] = string.sub(fates, i, i) == 'u' and ARGV[i + 1] or nil
end
local found = #unknown > 0 and effects().ends_in_bundles(unknown) or {}
for i, id in ipairs(unknown) do
  ends[i] = found[id] or ''
end
return { fates, shown[1], shown[2], shown[3], ends }
