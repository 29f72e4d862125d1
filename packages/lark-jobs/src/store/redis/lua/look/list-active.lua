-- list-active: returns a page of the active jobs, in the order in which the leases of their claims end; or a
-- page of jobs that the call names, in the order of the call.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the number of jobs (page.lua)
-- ARGV[3]  the lease end of the claim that has the last job of the previous page, or ''
-- ARGV[4]  the token of that claim
-- ARGV[5]  the id of that job
-- ARGV[6…] the ids of the jobs to show. If there are such ids, ARGV[3] is 1 if more jobs follow them on later
--          pages, otherwise ''
-- Returns  { a page in the form of page.lua; the end of the lease, the token and the id of the last job, or
--          nothing if there are no more jobs }
-- Cost     O(n + log m) for n jobs of m claims
-- needs: start, lease, page, holder

local ends_at, token_at, id_at = ARGV[3], ARGV[4], ARGV[5]

-- Returns the jobs that the call names and that are still active.
local function given(limit)
  local ids, holders = {}, {}
  for i, holder in ipairs(redis.call('HMGET', key('holders'), unpack(ARGV, 6))) do
    if holder and #ids < limit then
      local token = read_holder(holder)
      ids[#ids + 1], holders[#holders + 1] = ARGV[5 + i], token .. '|' .. (claimed_at(token) or '')
    end
  end
  return ids, holders, function(n)
    return (n < #ids or ends_at == '1') and { ids[n] or ARGV[#ARGV] } or {}
  end
end

if #ARGV > 5 then
  return page('active', ARGV[2], given)
end

-- The page continues in the claim that has the last job of the previous page. If this claim no longer exists,
-- the page continues with the next claim.
local start = 0
if ends_at ~= '' then
  start = redis.call('ZRANK', key('leases'), token_at) or redis.call('ZCOUNT', key('leases'), '-inf', '(' .. ends_at)
end
return page('active', ARGV[2], function(limit)
  local ids, marks, holders = {}, {}, {}
  local found = redis.call('ZRANGE', key('leases'), start, start + limit, 'WITHSCORES')
  for i = 1, #found, 2 do
    local token, ends = found[i], found[i + 1]
    local held = #ids < limit and held_by(token, token == token_at and id_at or nil) or {}
    local holder = held[1] and token .. '|' .. (claimed_at(token) or '')
    for _, id in ipairs(held) do
      if #ids < limit then
        ids[#ids + 1], marks[#marks + 1], holders[#holders + 1] = id, { ends, token, id }, holder
      end
    end
  end
  return ids, holders, function(n)
    return (n < #ids or n == limit) and marks[n] or {}
  end
end)
