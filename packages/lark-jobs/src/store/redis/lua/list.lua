-- list: a page of ended jobs, the latest or the earliest end first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  state: completed, failed, cancelled
-- ARGV[3]  how many (shared/page.lua)
-- ARGV[4]  score of the last job of the page before, or ''
-- ARGV[5]  id of that job
-- ARGV[6]  'oldest' for the earliest end first, or ''
-- Returns  { as in shared/page.lua; score of the last job, or '' if there are no more }
-- Cost     O(n + log m) for n jobs of m
-- needs: start, page

local state, score, last, is_oldest = ARGV[2], ARGV[4], ARGV[5], ARGV[6] == 'oldest'
local name = key(state)

local start = 0
if score ~= '' then
  start = is_oldest and passed(name, score, last, true) or redis.call('ZCARD', name) - passed(name, score, last)
end
return page(state, ARGV[3], function(limit)
  local ids, places = {}, {}
  local range = is_oldest and 'ZRANGE' or 'ZREVRANGE'
  local found = redis.call(range, name, start, start + limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    ids[#ids + 1], places[#places + 1] = found[i], found[i + 1]
  end
  return ids, places, function(n)
    return (n < #ids or n == limit) and places[n] or ''
  end
end)
