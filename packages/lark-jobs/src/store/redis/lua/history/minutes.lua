-- minutes: the number of jobs that ended in each of the last 60 minutes.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- Returns  four numbers for each minute in which a job ended: minute since 1970, completed, failed, retried
-- Cost     O(1)
-- needs: start, recent

local this = math.floor(now / MINUTE)
return append_minutes({}, this - MINUTES + 1, this)
