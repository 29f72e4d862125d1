-- flow-list: reads flows by page, the newest first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the number of flows
-- ARGV[3]  the id of the last flow of the previous page, or ''
-- Returns  the flows (flows.lua) without their news; an empty list if the last flow of the previous page no
--          longer exists
-- Cost     O(n + log m) for n of m flows
-- needs: start, flows

local from = 0
if ARGV[3] ~= '' then
  local rank = redis.call('ZREVRANK', key('flow-ids'), ARGV[3])
  if not rank then
    return {}
  end
  from = rank + 1
end
local left, page = MAX_BYTES, {}
for _, id in ipairs(redis.call('ZRANGE', key('flow-ids'), from, from + tonumber(ARGV[2]) - 1, 'REV')) do
  local flow, bytes = flows().read_flow(id)
  left = left - (bytes or 0)
  if left < 0 and #page > 0 then
    break
  end
  page[#page + 1] = flow
end
return page
