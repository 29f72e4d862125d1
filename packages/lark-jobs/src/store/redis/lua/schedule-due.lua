-- schedule-due: hands out schedules that are due, under a short lease.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many
-- ARGV[3]  lease, milliseconds
-- Returns  { the time; milliseconds until a schedule is due, or -1; ids, those that are due for longest first; their
--            definitions; states; runs (shared/schedules/) }
-- Cost     O(n log m) for n of m schedules
-- needs: start, schedules

local MAX_BYTES, FIRST = 1048576, 4
local due = redis.call('ZRANGE', key('ticks'), '-inf', now, 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
local ids, leases, gone, till = {}, {}, {}, string.format('%.0f', now + tonumber(ARGV[3]))
local found, left = { {}, {}, {} }, MAX_BYTES

-- In steps of 4, 32 and more: definitions may be large, and then the answer has few of them.
local from, step = 1, FIRST
while from <= #due and left >= 0 do
  local some = { unpack(due, from, math.min(#due, from + step - 1)) }
  local definitions, states, runs = schedules().stored(some)
  for i, id in ipairs(some) do
    left = left - #id - #(definitions[i] or '') - #(states[i] or '') - #(runs[i] or '')
    if left < 0 and #ids > 0 then
      break
    end
    local n = #ids + 1
    if states[i] then
      ids[n], found[1][n], found[2][n], found[3][n] = id, definitions[i], states[i], runs[i]
      leases[2 * n - 1], leases[2 * n] = till, id
    else
      -- The server has evicted its state.
      gone[#gone + 1] = id
    end
  end
  from, step = from + step, 8 * step
end
if #gone > 0 then
  redis.call('ZREM', key('ticks'), unpack(gone))
end
if #leases > 0 then
  redis.call('ZADD', key('ticks'), unpack(leases))
end
local next_one = schedules().next_tick()
if #gone > 0 and not next_one then
  redis.call('HDEL', key('settings'), 'ticks')
end
return { string.format('%.0f', now), next_one or -1, ids, found[1], found[2], found[3] }
