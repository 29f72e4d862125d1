-- flow-fates: what became of members of flows.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2…] ids
-- Returns  { for each id p(resent), e(nded), c(ut) or u(nknown); for each state, the ended jobs as in
--            show.lua, without payloads (fate.lua); of each that is unknown, when it completed (bundle.lua),
--            or '' }
-- Cost     O(n) for n ids; O(log m) for each that is unknown, if m members of its flow completed here lately
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
