-- The records of workers that have ended: they are kept as long as the numbers of their runs are needed, and
-- for an hour if the worker has died (`store/contract/lost-workers.ts`). If nobody reads them, the oldest are
-- removed.
-- needs: start
-- gives: is_lost, forget_ended

local function has(record, text)
  return string.find(record, text, 1, true)
end

-- Whether a worker that ended at this time has died within the last LOST_KEPT: it never said that it stops.
local function is_lost(record, ended)
  return ended > now - LOST_KEPT and not has(record, '"state":"stopping"') and not has(record, '"state":"restarting"')
end

local function forget_ended()
  local found = redis.call('ZRANGE', key('worker-ends'), now, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, MAX_ITEMS, 'WITHSCORES')
  local ended, ends = {}, {}
  for i = 1, #found, 2 do
    ended[#ended + 1], ends[#ends + 1] = found[i], tonumber(found[i + 1])
  end
  local records = #ended > 0 and redis.call('HMGET', key('workers'), unpack(ended)) or {}
  for i, worker in ipairs(ended) do
    local record = records[i]
    if i > MOST_ENDED or not record or not has(record, '"runs":') and not is_lost(record, ends[i]) then
      redis.call('HDEL', key('workers'), worker)
      redis.call('ZREM', key('worker-ends'), worker)
    end
  end
end
