-- due: hands out schedules and flows that are due, under a short lease.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the maximum number of schedules to hand out; 0 to ask only for flows
-- ARGV[3]  lease, milliseconds
-- ARGV[4]  a random number: the amount by which the revision numbers of flows rise
-- Returns  { the time; milliseconds until the next schedule or flow is due, or -1; the ids of the due
--          schedules, the earliest due time first; their definitions; their states; their runs
--          (shared/schedules/); the due flows, in the same order (flows.lua) }
-- Cost     O(n log m) for n of m schedules and flows, and O(k) for k news of these flows
-- needs: start, ticks, schedules, flows

local FIRST = 4
local flags, left = ticks().flags_of_ticks(), MAX_BYTES
if ARGV[2] == '0' then
  flags.ticks = nil
end

local function due_in(name, most)
  return flags[name] and redis.call('ZRANGE', key(name), '-inf', now, 'BYSCORE', 'LIMIT', 0, most) or {}
end

-- Returns the ids, definitions, states and runs of schedules, and whether some of the schedules no longer
-- exist.
local function hand_out_schedules(due)
  local ids, leases, gone, till = {}, {}, {}, string.format('%.0f', now + tonumber(ARGV[3]))
  local found = { {}, {}, {} }
  -- The first step reads 4 schedules, and later steps read 32 and more. If the definitions are large, only a
  -- few schedules fit into the answer.
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
        -- The server has evicted the state of this schedule.
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
  return { ids, found[1], found[2], found[3] }, #gone > 0
end

local due_flows = due_in('flows', MAX_DUE)
local handed, is_any_gone = hand_out_schedules(due_in('ticks', tonumber(ARGV[2])))
local due, is_changed = {}, false
if #due_flows > 0 then
  due, is_changed = flows().hand_out_flows(due_flows, tonumber(ARGV[3]), ARGV[4], left, #handed[1] == 0)
end
if is_any_gone and is_changed then
  ticks().next_tick(flags, 'ticks')
end
local next_one = ticks().next_tick(flags, is_changed and 'flows' or is_any_gone and 'ticks' or nil)
return { string.format('%.0f', now), next_one or -1, handed[1], handed[2], handed[3], handed[4], due }
