-- standings: returns the counts and pauses of partitions, their minutes, and since when their jobs wait.
--
-- KEYS[1]  partitions  SET of names; on a cluster jobs, HASH id -> record, of the one partition
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  '1' to return also the minutes (four fifths of the script's time), and how long jobs have been
--          waiting
-- ARGV[3…] the names of the partitions
-- Returns  for each partition, in the order of the arguments: { the answer of counts.lua; 1 if the partition
--          or one of its groups is paused; how many jobs wait for a retry; how many failed jobs were removed
--          before they reached their age, and when this last happened; how many jobs are suspended; if
--          requested: when the first waiting job was due, or -1; how many of the waiting jobs became due
--          within the last minute; how many jobs are stranded, how many of these are delayed, since when the
--          first of them has been waiting, and its id; the answer of minutes.lua }, or the error of a damaged
--          partition
-- Cost     O(n p log m) for n partitions, p priorities in use, and m jobs
-- needs: start, visit, job-counts, recent, pause, waiting-since

local all, after = {}, string.format('(%.0f', now)

local function standing()
  local found = job_counts()
  local is_paused = pause_left(redis.call('HGET', key('settings'), 'paused'))
    or redis.call('ZCOUNT', key('paused'), after, '+inf') > 0
  found[7], found[8] = is_paused and 1 or 0, redis.call('SCARD', key('retrying'))
  local dropped = redis.call('HMGET', key('settings'), 'dropped', 'dropped-at')
  found[9], found[10] = tonumber(dropped[1]) or 0, tonumber(dropped[2]) or 0
  found[11] = redis.call('SCARD', key('suspended'))
  if ARGV[2] ~= '1' then
    return found
  end
  found[12], found[13] = waiting_since(now - MINUTE)
  local first = redis.call('ZRANGE', key('stranded'), 0, 0, 'WITHSCORES')
  found[14], found[15], found[16], found[17] = 0, 0, 0, ''
  if first[1] then
    found[14], found[15] = redis.call('ZCARD', key('stranded')), redis.call('ZCOUNT', key('stranded-due'), after, '+inf')
    found[16], found[17] = tonumber(first[2]), first[1]
  end
  local this = math.floor(now / MINUTE)
  return append_minutes(found, this - MINUTES + 1, this)
end

for i = 3, #ARGV do
  visit(ARGV[i])
  local is_sound, found = pcall(standing)
  all[i - 2] = is_sound and found or type(found) == 'table' and found.err or tostring(found)
end
return all
