-- look-at-limiter: returns the holders of a limiter's permits, the sizes of lots for which holders wait, and
-- the open circuit with the name of the limiter.
--
-- KEYS[1]  holders     HASH holder -> its data, see permit.lua
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the maximum number of holders and of lot sizes to return
-- ARGV[3]  the limits (rate.lua), to find out how many permits are free for a lot; or ''
-- ARGV[4]  the number of permits in the lot
-- Returns  { for each holder its name, the number of its permits, and when its lease ends; for each size of a
--          lot for which holders wait, the size, since when they wait, and until when the wait counts; when
--          the circuit opened and when its next trial is due, or nothing; how many permits are free, and if a
--          rate allows too few now, when it allows enough, or nothing }
-- Cost     O(h + s) for h holders and s lot sizes
-- needs: start, rates

local after = string.format('(%.0f', now)

local function live(name)
  return redis.call('ZRANGEBYSCORE', key(name), after, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
end

local holders, waits, all = {}, {}, 0
local found = live('ends')
for i = 1, #found, 2 do
  local held = string.match(redis.call('HGET', key('holders'), found[i]) or '', '^%d+|(%d+)|')
  if held and held ~= '0' then
    holders[#holders + 1] = found[i]
    holders[#holders + 1], holders[#holders + 2] = held, found[i + 1]
    all = all + held
  end
end
found = live('waits')
for i = 1, #found, 2 do
  local since = redis.call('ZSCORE', key('waiting'), found[i])
  if since then
    waits[#waits + 1] = found[i]
    waits[#waits + 1], waits[#waits + 2] = since, found[i + 1]
  end
end
local opening, trial = unpack(redis.call('HMGET', key('circuit'), 'opening', 'trial'))
local free = {}
if ARGV[3] ~= '' then
  local each = tonumber(ARGV[4])
  local count, wait = rates().allowed_starts(ARGV[3], MAX_ITEMS, '', all, each)
  free = { tostring(count), count < each and wait >= 0 and string.format('%.0f', now + wait) or nil }
end
return { holders, waits, opening and trial and { opening, trial } or {}, free }
