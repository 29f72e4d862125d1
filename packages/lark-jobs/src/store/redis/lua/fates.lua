-- fates: what became of members of flows.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2…] ids
-- Returns  { for each id p(resent), e(nded) or u(nknown); for each state, the ended jobs as in shared/show.lua, without
--            payloads }
-- Cost     O(n) for n ids
-- needs: start, payloads, show

if #ARGV < 2 then
  return { '' }
end
local ids = { unpack(ARGV, 2) }
local records, ends = redis.call('HMGET', key('jobs'), unpack(ids)), redis.call('HMGET', key('ended'), unpack(ids))
local states, fates, groups, answer = { 'completed', 'failed', 'cancelled' }, {}, {}, {}
for _, state in ipairs(states) do
  groups[state] = { ids = {}, ends = {}, records = {}, scores = redis.call('ZMSCORE', key(state), unpack(ids)) }
end
for i, id in ipairs(ids) do
  -- Hidden jobs are in none of the sets.
  local state, at = string.match(ends[i] or '', '^(%a+)|(%d+)|~')
  for _, each in ipairs(state and {} or states) do
    if groups[each].scores[i] then
      state, at = each, groups[each].scores[i]
    end
  end
  fates[i] = not records[i] and 'u' or state and 'e' or 'p'
  if fates[i] == 'e' then
    local group, n = groups[state], #groups[state].ids + 1
    group.ids[n], group.ends[n], group.records[n] = id, at, payloads().bare(records[i])
  end
end
for _, state in ipairs(states) do
  answer[#answer + 1] = show(state, groups[state].ids, groups[state].ends, groups[state].records)
end
return { table.concat(fates), unpack(answer) }
