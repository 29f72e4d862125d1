-- counts: the number of jobs in each state.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  { waiting, delayed, active, completed, failed, cancelled }
-- Cost     O(p log m) for p priorities in use, m delayed
-- needs: job-counts

return job_counts()
