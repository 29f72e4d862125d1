-- Removes jobs, for clear.lua and prune.lua.
-- needs: start
-- gives: most_removed, removed

-- How many jobs a call removes. Large jobs are removed a few at a time, because the server does nothing else
-- meanwhile. (Measured on 2026-11-25, 2 cores, shared: removing 1,000 jobs of 510 kB takes 118 ms.)
local function most_removed()
  return redis.call('HGET', key('settings'), 'large') and 50 or MAX_ITEMS
end

-- The answer of a call: how many jobs it removed; negative if there may be more.
local function removed(count, most)
  return count == most and most < MAX_ITEMS and -count or count
end
