-- list: returns a page of ended jobs in one state, the latest or the earliest end first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the state: completed, failed or cancelled
-- ARGV[3]  the number of jobs (page.lua)
-- ARGV[4]  the score of the last job of the previous page, or ''
-- ARGV[5]  the id of that job
-- ARGV[6]  'oldest' for the earliest end first, or ''
-- Returns  { a page in the form of page.lua; the score of the last job, or '' if there are no more jobs }
-- Cost     O(n + log m) for n of m jobs
-- needs: start, page

local state, score, last, is_oldest = ARGV[2], ARGV[4], ARGV[5], ARGV[6] == 'oldest'

-- The next ids and scores in one of the two sets of the state. (Jobs with an age of their own are in a
-- separate set: keeping.lua.)
local function next_of(name, limit)
  local start = 0
  if score ~= '' then
    start = is_oldest and passed(name, score, last, true) or redis.call('ZCARD', name) - passed(name, score, last)
  end
  return redis.call(is_oldest and 'ZRANGE' or 'ZREVRANGE', name, start, start + limit - 1, 'WITHSCORES')
end

local function is_first(id, at, other, other_at)
  if at ~= other_at then
    return (tonumber(at) < tonumber(other_at)) == is_oldest
  end
  return is_before(id, other) == is_oldest
end

return page(state, ARGV[3], function(limit)
  local ids, places, i, j = {}, {}, 1, 1
  local others, kept = next_of(key(state), limit), next_of(key('kept:' .. state), limit)
  while #ids < limit and (others[i] or kept[j]) do
    local n = #ids + 1
    if others[i] and (not kept[j] or is_first(others[i], others[i + 1], kept[j], kept[j + 1])) then
      ids[n], places[n], i = others[i], others[i + 1], i + 2
    else
      ids[n], places[n], j = kept[j], kept[j + 1], j + 2
    end
  end
  return ids, places, function(n)
    return (n < #ids or n == limit) and places[n] or ''
  end
end)
