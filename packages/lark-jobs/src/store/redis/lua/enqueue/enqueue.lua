-- enqueue: queues the jobs of a call in one atomic step, with a verdict for each job.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  caller
-- ARGV[3]  the number of the call
-- ARGV[4]  how many connections the process of the caller has given up so far (calls.lua)
-- ARGV[5…] if the partition has a bound: `b`, how many jobs it may hold, '|', and either how many cancelled
--          jobs are kept (then it drops the oldest job) or '' (then it rejects the new job). After that come
--          series of similar jobs whose ids were made in the same millisecond. Each series has: `k`, how long
--          the jobs are kept (keeping.lua) and ';', if their class says so; 'h' if they are hooked
--          (effect.lua); 'i' or 'o' if the application chose their ids (`packing.ts`); the priority ('' for
--          0) or the lane (line.lua); '~' and the limits of the lane; '|' and a lock (lock.lua). Then come
--          the delay ('' for none), the number of jobs, and for each job its id and the record without its
--          first field
-- Returns  '' if all jobs are queued, otherwise one letter for each job: q(ueued), e(xists), f(ull),
--          p(riorities), u, t, r (lock.lua), x (exists, and the application chose the id). For each u, t and
--          r, a line with the id of the other job follows, and for each x a line with the state of the other
--          job
-- Cost     O(n) for n jobs, and O(log m) for each delayed job among m delayed jobs
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
