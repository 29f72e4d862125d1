-- migrate: brings a partition of an earlier layout forward. Safe to repeat, and while workers of any version go on.
-- `verbs/layout.ts` runs this for each partition, and says which layouts are brought forward.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  the layout that the store has
-- ARGV[3]  where the call before ended, or ''
-- Returns  where the next call goes on, or 0 if there is nothing more to do
-- Cost     O(n log m) for n effects that are taken over, at most 1,000, among m; and about 1,000 counters
-- needs: start, counters, locate, delivery

if ARGV[2] == '4' then
  -- Layout 4 kept every payload in its record. The payloads stay there, and this says that there may be large ones.
  redis.call('HSET', key('settings'), 'large', 2)
end
if delivery().adopt() == MAX_ITEMS then
  return ARGV[3]
end
-- Layout 8 did not note which jobs wait for another try.
local from = ARGV[3] == '' and '0' or ARGV[3]
local cursor, found = unpack(redis.call('HSCAN', key('counters'), from, 'COUNT', MAX_ITEMS))
for i = 1, #found, 2 do
  local state = locate(found[i])
  if state == 'waiting' or state == 'delayed' then
    note_retrying(found[i])
  end
end
return cursor
