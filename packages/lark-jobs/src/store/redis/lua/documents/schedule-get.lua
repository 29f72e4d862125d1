-- schedule-get: reads schedules.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] the ids of the schedules
-- Returns  { the time; for each id its definition, its state, and its runs (shared/schedules/), or nothing }
-- Cost     O(n) for n schedules
-- needs: start, schedules

return { string.format('%.0f', now), schedules().stored({ unpack(ARGV, 2) }) }
