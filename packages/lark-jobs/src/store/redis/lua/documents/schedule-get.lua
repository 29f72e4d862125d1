-- schedule-get: reads schedules.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2…] ids
-- Returns  { the time; for each id its definition; state; runs (shared/schedules/), or nothing }
-- Cost     O(n)
-- needs: start, schedules

return { string.format('%.0f', now), schedules().stored({ unpack(ARGV, 2) }) }
