-- workers: returns the workers that still count as alive, and removes records of up to 1,000 ended workers.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- Returns  the records of the live workers, JSON
-- Cost     O(w log w) for w workers
-- needs: start, ended-workers

if redis.call('HLEN', key('workers')) == 0 then
  return {}
end
forget_ended()
local alive, records = redis.call('ZRANGE', key('worker-ends'), string.format('(%.0f', now), '+inf', 'BYSCORE'), {}
for from = 1, #alive, MAX_ITEMS do
  local some = { unpack(alive, from, math.min(from + MAX_ITEMS - 1, #alive)) }
  for _, record in ipairs(redis.call('HMGET', key('workers'), unpack(some))) do
    records[#records + 1] = record or nil
  end
end
return records
