-- fates: what became of members of flows.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2…] ids
-- Returns  { for each id p(resent), e(nded), c(ut) or u(nknown); for each state, the ended jobs as in shared/show.lua,
--            without payloads } (shared/fates.lua)
-- Cost     O(n) for n ids
-- needs: fates

if #ARGV < 2 then
  return { '' }
end
local fates, shown = fates_of({ unpack(ARGV, 2) })
return { fates, unpack(shown) }
