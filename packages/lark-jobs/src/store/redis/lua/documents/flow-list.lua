-- flow-list: reads flows by page, the newest first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many
-- ARGV[3]  the last of the page before, or ''
-- Returns  flows (flows.lua), without news; none if the last of the page before is not there any more
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
