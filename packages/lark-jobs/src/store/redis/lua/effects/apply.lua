-- apply: counts the ends of members at their flows, and keeps the ends of nodes as news.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] for each flow: its id; the completed members, as ranges (count.lua); the number of ends of nodes
--          and of other members; and three values for each of these ends: the index; how the node or member
--          ended; and for a node `=` and its result, for a member the `queuedAt` of its job, or ''
-- Returns  { milliseconds until a schedule or a flow is due, or -1; for each flow a letter for each end, in
--          the order of the arguments: c(ounted), r(epeated), f(ormer) or u(nknown) }
-- Cost     O(n) for n ends, and O(log m) for m flows
-- needs: ticks, counting, written

local all, flags, is_any_due, at = {}, ticks().flags_of_ticks(), false, 2
local before = ticks().next_tick(flags)
while ARGV[at] do
  local others = tonumber(ARGV[at + 2])
  local over = at + 2 + 3 * others
  local verdicts, is_due = counting().count_ends(ARGV[at], counting().runs_of(ARGV[at + 1]), ARGV, at + 3, over)
  all[#all + 1], is_any_due, at = verdicts, is_any_due or is_due, over + 1
end
return { is_any_due and written(flags, 'flows', before, 0) or before or -1, all }
