-- migrate: brings a partition of an earlier layout forward. Safe to repeat, and while workers of any version go on.
-- `verbs/layout.ts` runs this for each partition, and says which layouts are brought forward.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  the layout that the store has
-- Returns  1 if there may be more to do, else 0
-- Cost     O(n log m) for n effects that are taken over, at most 1,000, among m
-- needs: start, delivery

if ARGV[2] == '4' then
  -- Layout 4 kept every payload in its record. The payloads stay there, and this says that there may be large ones.
  redis.call('HSET', key('settings'), 'large', 2)
end
return delivery().adopt() == MAX_ITEMS and 1 or 0
