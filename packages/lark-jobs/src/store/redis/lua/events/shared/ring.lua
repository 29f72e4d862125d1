-- Rings up to `count` of the callers that wait for this partition. A caller without a subscription has died,
-- or will subscribe again and then look for jobs. So another caller is rung in its place. `pcall` is used
-- because the server's ACL may forbid the ring, and the verb must succeed anyway. Returns how many callers
-- have received the ring. `anyway`: rings callers even if the partition is paused.
-- needs: start, pause
-- gives: ring_counts, ring

-- How many callers to ring at the end of this call. `again`: one for each job that went back to its line and
-- is due. `later`: one for each delayed job that is now the first of its line to be due.
local ring_counts = { again = 0, later = 0 }

local function ring(count, anyway)
  local idle, heard = key('idle'), 0
  if count < 1 or redis.call('EXISTS', idle) == 0 or not anyway and pause_left(redis.call('HGET', key('settings'), 'paused')) then
    return 0
  end
  local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
  for _ = 1, 100 do
    local callers = redis.call('SPOP', idle, count)
    if #callers > 0 then
      -- A caller that is rung will make a call, so its offer is removed.
      redis.call('HDEL', key('offers'), unpack(callers))
    end
    for _, caller in ipairs(callers) do
      local hearers = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition)
      -- On a cluster, a node counts only its own subscribers, and most callers subscribe at other nodes. But
      -- a waiting caller calls again every few seconds, and its last call is remembered for a minute: a
      -- caller without a call in the last ten seconds counts as dead.
      if hearers ~= 0 or in_cluster and redis.call('PTTL', key('call:' .. caller)) > 50000 then
        count, heard = count - 1, heard + 1
      end
    end
    if count < 1 or #callers == 0 then
      break
    end
  end
  return heard
end
