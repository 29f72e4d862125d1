-- Flows. The scripts read neither their definitions nor their states.
--   flow:<id>           HASH    rev, definition, state; lent: until when the flow is handed out; called: 1 if
--                               it is due because of its members; results: the bytes of its results;
--                               reserved, size, alarm, completed, failed, cancelled: see `contract/flows.ts`
--   news:<id>           LIST    the indices of ended nodes, as long as no writer has read their ends
--   flow-ends:<id>      HASH    index -> how a node or member ended (`verbs/flows.ts`, home.lua). The text
--                               begins with the letter of the state. There is a field for each ended node,
--                               and for the first members that did not complete. For a member that was
--                               started again, the text is `s` and the `queuedAt` of its job
--   flow-results:<id>   HASH    index -> result of a node
--   crowd:<id>, crowd-failed:<id>, crowd-cancelled:<id>  STRING  a bit for each member: whether it has ended;
--                               whether it has ended without completing; whether it was cancelled
--   flow-ids            ZSET    id -> when the flow was made; flows are in the order in which they were made
--   flows               ZSET    id -> when the flow is due (tick.lua)
-- module: flows
-- needs: start
-- gives: read_flow, remove_flow, hand_out_flows

-- Reads a flow; nothing if the flow does not exist. `has_news`: whether to read its news, too. Returns { id;
-- rev; definition; state; reserved; size; completed; failed; cancelled; the indices of the news; the ends of
-- these nodes }, the bytes of the flow, and whether `called` is set.
local function read_flow(id, has_news)
  local flow, called = { id }, nil
  flow[2], flow[3], flow[4], flow[5], flow[6], flow[7], flow[8], flow[9], called = unpack(redis.call(
    'HMGET', key('flow:' .. id),
    'rev', 'definition', 'state', 'reserved', 'size', 'completed', 'failed', 'cancelled', 'called'
  ))
  if not flow[2] then
    return
  end
  local news = has_news and redis.call('LRANGE', key('news:' .. id), 0, MAX_NEWS - 1) or {}
  local ends = #news > 0 and redis.call('HMGET', key('flow-ends:' .. id), unpack(news)) or {}
  local bytes = #id + #(flow[3] or '') + #(flow[4] or '')
  for _, each in ipairs(ends) do
    bytes = bytes + #(each or '')
  end
  flow[10], flow[11] = news, ends
  return flow, bytes, called == '1'
end

local function remove_flow(id)
  redis.call('ZREM', key('flows'), id)
  redis.call('ZREM', key('flow-ids'), id)
  redis.call(
    'DEL', key('flow:' .. id), key('news:' .. id), key('flow-ends:' .. id), key('flow-results:' .. id),
    key('crowd:' .. id), key('crowd-failed:' .. id), key('crowd-cancelled:' .. id)
  )
end

-- Hands out flows under a lease of `lease_ms` milliseconds. `step`: the amount by which revision numbers
-- rise. `left`: the bytes for which the answer still has room. `anyway`: hands out the first flow even if it
-- has more than `left` bytes. Returns the flows, and whether some of the flows no longer exist.
local function hand_out_flows(ids, lease_ms, step, left, anyway)
  local handed, leases, is_any_gone, till = {}, {}, false, string.format('%.0f', now + lease_ms)
  for _, id in ipairs(ids) do
    local flow, bytes, is_called = read_flow(id, true)
    if not flow then
      -- The server has evicted this flow.
      is_any_gone = true
      remove_flow(id)
    else
      left = left - bytes
      if left < 0 and (#handed > 0 or not anyway) then
        break
      end
      -- The flow is due because of its members (`called`), so it gets a new revision number. A worker that
      -- has read the flow earlier can then no longer write it, and cannot overwrite the new due time.
      if is_called then
        flow[2] = string.format('%.0f', math.max(tonumber(flow[2]) or 0, now) + step)
        redis.call('HSET', key('flow:' .. id), 'rev', flow[2], 'lent', till, 'called', '')
      else
        redis.call('HSET', key('flow:' .. id), 'lent', till)
      end
      handed[#handed + 1] = flow
      leases[#leases + 1], leases[#leases + 2] = till, id
    end
  end
  if #leases > 0 then
    redis.call('ZADD', key('flows'), unpack(leases))
  end
  return handed, is_any_gone
end
