-- order-workers: gives live workers an order, which replaces their earlier orders.
--
-- KEYS[1]  workers     HASH worker -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the order
-- ARGV[3]  for how many milliseconds the order is kept
-- ARGV[4…] the workers
-- Returns  the workers that are alive
-- Cost     O(n log w) for n of w workers
-- needs: start

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('worker-ends'), '')
local living = {}
for i = 4, #ARGV do
  if tonumber(redis.call('ZSCORE', key('worker-ends'), ARGV[i]) or 0) > now then
    redis.call('SET', key('order:' .. ARGV[i]), ARGV[2], 'PX', ARGV[3])
    living[#living + 1] = ARGV[i]
  end
end
return living
