-- apply: counts members of flows as ended.
--
-- KEYS[1]  jobs        HASH id -> record
--          flow:<id>, members:<id>  HASH, STRING  size, counted; a bit for each member, set if it has ended
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2…] two for each flow: its id; indices of members, joined by ','
-- Returns  for each flow: nothing if it is not there, or { how many have ended; its size; for each index 1 if it counts
--            now, 0 if it had counted before, -1 if the flow has no such member }
-- Cost     O(n) for n members
-- needs: start

local all = {}
for i = 2, #ARGV, 2 do
  local flow, bits = key('flow:' .. ARGV[i]), key('members:' .. ARGV[i])
  local size, counted = unpack(redis.call('HMGET', flow, 'size', 'counted'))
  local verdicts, sets, places, added = {}, {}, {}, 0
  for index in string.gmatch(ARGV[i + 1], '%d+') do
    verdicts[#verdicts + 1] = -1
    if size and tonumber(index) < tonumber(size) then
      places[#places + 1] = #verdicts
      for _, word in ipairs({ 'SET', 'u1', index, '1' }) do
        sets[#sets + 1] = word
      end
    end
  end
  for n, before in ipairs(#sets > 0 and redis.call('BITFIELD', bits, unpack(sets)) or {}) do
    verdicts[places[n]], added = 1 - before, added + 1 - before
  end
  counted = tonumber(counted or 0)
  if added > 0 then
    counted = redis.call('HINCRBY', flow, 'counted', added)
  end
  all[#all + 1] = size and { counted, tonumber(size), verdicts } or false
end
return all
