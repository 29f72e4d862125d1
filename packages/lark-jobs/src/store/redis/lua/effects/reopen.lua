-- reopen: marks members of a flow that ended without completing as missing again.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  the id of the flow
-- ARGV[3…] two values for each member: its index, and the new `queuedAt` of its job, or ''
-- Returns  how many members are missing again
-- Cost     O(n) for n indices
-- needs: start, numbered, calls

local answer = recalled()
if answer then
  return tonumber(answer)
end

local flow, all, failed = key('flow:' .. ARGV[2]), key('crowd:' .. ARGV[2]), key('crowd-failed:' .. ARGV[2])
local cancels = key('crowd-cancelled:' .. ARGV[2])
-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('HDEL', flow, '')
local clears, again, starts = {}, {}, {}
for i = 3, #ARGV, 2 do
  for _, word in ipairs({ 'SET', 'u1', ARGV[i], '0' }) do
    clears[#clears + 1] = word
  end
end
local has_failed = #clears > 0 and redis.call('EXISTS', failed) == 1
for i, was_set in ipairs(has_failed and redis.call('BITFIELD', failed, unpack(clears)) or {}) do
  local index, start = ARGV[2 * i + 1], ARGV[2 * i + 2]
  again[#again + 1] = was_set == 1 and index or nil
  if was_set == 1 and start ~= '' then
    starts[#starts + 1], starts[#starts + 2] = index, 's' .. start
  end
end
clears = {}
for _, index in ipairs(again) do
  for _, word in ipairs({ 'SET', 'u1', index, '0' }) do
    clears[#clears + 1] = word
  end
end
if #again > 0 then
  redis.call('BITFIELD', all, unpack(clears))
  local cancelled = 0
  for _, was_set in ipairs(redis.call('EXISTS', cancels) == 1 and redis.call('BITFIELD', cancels, unpack(clears)) or {}) do
    cancelled = cancelled + was_set
  end
  if cancelled > 0 then
    redis.call('HINCRBY', flow, 'cancelled', -cancelled)
  end
  redis.call('HINCRBY', flow, 'failed', -#again)
  redis.call('HDEL', key('flow-ends:' .. ARGV[2]), unpack(again))
  if #starts > 0 then
    redis.call('HSET', key('flow-ends:' .. ARGV[2]), unpack(starts))
  end
  remember(#again)
end
return #again
