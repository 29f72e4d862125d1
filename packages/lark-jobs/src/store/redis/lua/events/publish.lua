-- publish: writes an event of an application, if somebody listens.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the text of the event, in one line
-- Returns  1 if somebody listens, or 0
-- Cost     O(1)
-- needs: start, event

-- This write makes a server that accepts no writes refuse the call, because a replica may not know the
-- listeners.
redis.call('HDEL', key('watches'), '')

tell('published', { ARGV[2] })
return is_heard() and 1 or 0
