-- Jobs that clear.lua and prune.lua remove.
-- include: finish

-- How many a call removes. Large ones are freed a few at a time, since the server does nothing else meanwhile. (Measured
-- on 2026-11-25, 2 cores, shared: 1,000 of 510 kB take it 118 ms.)
local function most_removed()
  return redis.call('HGET', key('settings'), 'large') and 50 or MAX_ITEMS
end

-- What a call says: how many it removed, below 0 when there may be more.
local function removed(count, most)
  return count == most and most < MAX_ITEMS and -count or count
end
