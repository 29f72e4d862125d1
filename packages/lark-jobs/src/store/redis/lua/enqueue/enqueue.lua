-- enqueue: queues jobs, all or none of them.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3]  number of the call
-- ARGV[4]  connection
-- ARGV[5…] if the partition has a bound: `b`, how many jobs it may hold, '|', and either how many cancelled
--          jobs are kept (it drops the oldest job) or '' (it rejects the new job); then runs of similar jobs,
--          made in the same
--          millisecond: `k`, how long they are kept (keeping.lua) and ';' if their class says so; 'h' if they
--          are hooked (effect.lua), 'i' or 'o' if the application chose their ids (`packing.ts`),
--          priority ('' for 0) or lane (line.lua), '~' and the limits of the lane, '|' and a lock
--          (lock.lua); delay ('' for none); how many jobs; then for each job its id, and the record
--          without its first field
-- Returns  '' if all are queued, otherwise one letter for each job: q(ueued), e(xists), f(ull), p(riorities),
--          u, t, r (lock.lua), x (exists, and the application chose the id); then for each u, t and r a line
--          with the id of the other job, and for each x a line with its state
-- Cost     O(n); O(log m) for each delayed job among m delayed
-- needs: calls, queue, intake, ring, rouse

local answer = recall()
if answer then
  return answer
end

local at, batch = 5, new_batch()
local max, kept = string.match(ARGV[at], '^b(%d+)|(%d*)$')
read_runs(batch, max and at + 1 or at, #ARGV)
local verdicts, rings = queue_all(batch, max, kept)
remember(verdicts)
rouse(ring(rings))
return verdicts
