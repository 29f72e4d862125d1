-- counts: returns the number of jobs in each state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  { waiting, delayed, active, completed, failed, cancelled }
-- Cost     O(p log m) for p priorities in use and m delayed jobs
-- needs: job-counts

return job_counts()
