-- Rings up to `count` of the callers that wait for this partition. A caller without a subscription has died,
-- or is about to subscribe again and will then look for jobs. So its ring goes to the next caller. `pcall` is
-- used because the server's ACL may forbid the ring, and the verb must succeed anyway. Returns how many
-- callers got the ring. `anyway`: rings even if the queue is paused.
-- needs: start, pause
-- gives: ring_counts, ring

-- How many callers to ring at the end of a call. `again`: for jobs that wait again; `later`: for delayed jobs
-- that are now the first of their line to be due.
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
