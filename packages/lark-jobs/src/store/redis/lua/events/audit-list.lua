-- audit-list: reads a page of the audit, the newest entry first.
--
-- KEYS[1]  audit       HASH id -> when it was written last, `|` and its text
--          audit-times ZSET id -> when it was first written
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the number of entries
-- ARGV[3]  the time at which the last entry of the previous page was first written, or '' for the newest
--          entries
-- ARGV[4]  the id of that entry
-- Returns  { the time; for each entry its id, when it was first written, and its value }
-- Cost     O(log m + n) for n of m entries, including all entries of the millisecond in ARGV[3]
-- needs: start

local times, most, answer = key('audit-times'), tonumber(ARGV[2]), { string.format('%.0f', now) }
local ids = {}
local function add(found)
  for i = 1, #found, 2 do
    if #ids < most then
      ids[#ids + 1] = found[i]
      answer[3 * #ids - 1], answer[3 * #ids] = found[i], found[i + 1]
    end
  end
end
-- Entries describe changes by hand, so only a few entries have the same millisecond.
if ARGV[3] ~= '' then
  local same = redis.call('ZRANGE', times, ARGV[3], ARGV[3], 'BYSCORE', 'REV', 'WITHSCORES')
  local rest = {}
  for i = 1, #same, 2 do
    if same[i] < ARGV[4] then
      rest[#rest + 1], rest[#rest + 2] = same[i], same[i + 1]
    end
  end
  add(rest)
end
if #ids < most then
  local last = ARGV[3] == '' and '+inf' or '(' .. ARGV[3]
  add(redis.call('ZRANGE', times, last, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, most - #ids, 'WITHSCORES'))
end
local values = #ids > 0 and redis.call('HMGET', key('audit'), unpack(ids)) or {}
for i = 1, #ids do
  answer[3 * i + 1] = values[i] or ''
end
return answer
