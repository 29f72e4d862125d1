-- schedule-get: reads schedules.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] the ids of the schedules
-- Returns  { the time; the definitions; the states; the runs (shared/schedules/) }. A schedule that does not
--          exist has false in each list
-- Cost     O(n) for n schedules
-- needs: start, schedules

return { string.format('%.0f', now), schedules().stored({ unpack(ARGV, 2) }) }
