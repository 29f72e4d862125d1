-- The records of ended workers. A record is kept until the counts of its runs are added to the sum
-- (fold-runs.lua), and for an hour if the worker has died (`store/contract/lost-workers.ts`). If there are
-- too many records, the oldest are removed in any case.
-- needs: start
-- gives: is_lost, forget_ended

local function has(record, text)
  return string.find(record, text, 1, true)
end

-- Whether a worker that ended at the time `ended` has died within the last LOST_KEPT milliseconds. A worker
-- that reported its stop has not died.
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
