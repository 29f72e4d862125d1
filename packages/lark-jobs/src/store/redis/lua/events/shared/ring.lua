-- Rings up to `count` of the callers that wait for this partition. A caller without a subscription has died,
-- or is about to subscribe again (and will look then), so its ring goes to the next caller. The server's ACL
-- may forbid a ring, which must not break the verb; hence pcall. Returns how many heard it. `anyway`: rings
-- even if the queue is paused.
-- needs: start, pause
-- gives: ring_counts, ring

-- How many callers a call should ring: for jobs that wait again, and for delayed jobs that are now the first
-- to be due.
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
      -- The caller will make a call, so its offer no longer counts.
      redis.call('HDEL', key('offers'), unpack(callers))
    end
    for _, caller in ipairs(callers) do
      local hearers = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, partition)
      -- On a cluster, a node counts only its own subscribers, and most callers subscribe at other nodes. But
      -- a waiting caller calls again every few seconds, and its last call is remembered for a minute: after
      -- ten seconds without a call it is dead.
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
