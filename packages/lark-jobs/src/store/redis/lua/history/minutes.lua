-- minutes: returns how many jobs ended in each of the last 60 minutes.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  four numbers for each minute in which a job ended: the minutes since 1970, and how many jobs
--          completed, failed and were retried
-- Cost     O(1)
-- needs: start, recent

local this = math.floor(now / MINUTE)
return append_minutes({}, this - MINUTES + 1, this)
