-- configure: stores and returns the settings of a partition.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  1 to pause, 0 to resume, or '' to leave the pause unchanged; `+` and milliseconds to pause for
--          this time; `++` and milliseconds to pause for this time unless the partition is already paused for
--          longer. `|` and the reason for the pause may follow, and then two separators and the name of the
--          person who pauses the partition (`store/contract/rules/pause.ts`)
-- ARGV[3]  how many paused groups to return
-- ARGV[4]  `;` and the new limits of the partition; `-` to remove the limits; '' to leave the limits
--          unchanged
-- Returns  { the pause and the limits (pause.lua); for each paused group its name, when its pause ends, and
--          who paused it and when, or '' }
-- Cost     O(w) for w waiting callers if the partition resumes, is paused for a time or gets limits; O(log m)
--          for m paused groups
-- needs: start, ring, pause, pausing

-- Puts the present time between the two separators, as the time at which the person paused the partition.
local setting = string.gsub(ARGV[2], '\31\31', '\31' .. string.format('%.0f', now) .. '\31', 1)
local more, ms, because = string.match(setting, '^%+(%+?)(%d+)(.*)$')
local kept = redis.call('HGET', key('settings'), 'paused')
local limits = limits_in(kept)
if setting ~= '' or ARGV[4] ~= '' then
  -- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
  -- then also all other writes of the script.
  redis.call('HDEL', key('settings'), '')
end
if ms then
  if more == '' then
    redis.call('HSET', key('settings'), 'paused', '0' .. limits)
  end
  pausing().pause_for(tonumber(ms), because)
elseif setting ~= '' then
  local was_paused = pause_left(kept)
  local till, reason = string.match(setting, '^(%d+)(.*)$')
  redis.call('HSET', key('settings'), 'paused', till .. limits .. reason)
  if was_paused and setting == '0' then
    ring(MAX_ITEMS)
  end
end
local is = redis.call('HGET', key('settings'), 'paused')
if ARGV[4] ~= '' then
  local till, rest = string.match(is or '0', '^(%d*)[^|]*(.*)$')
  is = till .. (ARGV[4] == '-' and '' or ARGV[4]) .. rest
  redis.call('HSET', key('settings'), 'paused', is)
  ring(MAX_ITEMS, true)
end
is = pause_left(is) and is or '0' .. limits_in(is)
local after = string.format('(%.0f', now)
local paused = redis.call('ZRANGEBYSCORE', key('paused'), after, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local answer = { is }
for i = 1, #paused, 2 do
  local who = redis.call('HGET', key('pausers'), paused[i]) or ''
  answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = paused[i], paused[i + 1], who
end
return answer
