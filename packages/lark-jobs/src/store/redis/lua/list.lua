-- list: a page of ended jobs, the latest end first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  state: completed, failed, cancelled
-- ARGV[3]  how many (shared/page.lua)
-- ARGV[4]  score of the last job of the page before, or ''
-- ARGV[5]  id of that job
-- Returns  { as in shared/page.lua; score of the last job, or '' if there are no more }
-- Cost     O(n + log m) for n jobs of m
-- needs: start, page

local state, score, last = ARGV[2], ARGV[4], ARGV[5]
local name = key(state)

-- It continues after the last job of the page before; if that job is gone, after all jobs before its score.
local start = 0
if score ~= '' then
  local at = redis.call('ZREVRANK', name, last)
  start = at and at + 1 or redis.call('ZCOUNT', name, '(' .. score, '+inf')
end
return page(state, ARGV[3], function(limit)
  local ids, places = {}, {}
  local found = redis.call('ZREVRANGE', name, start, start + limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    ids[#ids + 1], places[#places + 1] = found[i], found[i + 1]
  end
  return ids, places, function(n)
    return (n < #ids or n == limit) and places[n] or ''
  end
end)
