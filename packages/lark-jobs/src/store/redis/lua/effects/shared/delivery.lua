-- Hands out effects. (To settle a job and claim the next job took the server 5.3 µs for plain jobs, and 7.0
-- µs for members of a batch whose home is the same partition (home.lua). For members of a batch with another
-- home, it took 8.8 µs, including the effects, the flow and the acknowledgements, and some 17 µs when each
-- member had an effect of its own. Measured on 2026-11-27, 2 cores, 24 GiB, Node 20, load 24, 50 jobs in each
-- claim, the best of 7 runs.)
-- module: delivery
-- needs: start, payloads, show, effects, ended
-- gives: serve


-- The bytes of jobs for which this answer still has room, and the number of jobs in the answer.
local left, taken = MAX_BYTES, 0

-- Hands out at most `most` due effects of one kind, the earliest due time first. Appends the kind and the
-- jobs, in the form of show.lua, to `answer`, once for each state of the jobs. `floor`: how many bytes of
-- `left` must stay free. Returns how many effects were handed out.
local function hand_out(answer, kind, most, lease_ms, floor)
  local name = key('effects:' .. kind)
  local ids = most > 0 and redis.call('ZRANGE', name, '-inf', now, 'BYSCORE', 'LIMIT', 0, most) or {}
  if #ids == 0 then
    return 0
  end
  local ends = redis.call('HMGET', key('ended'), unpack(ids))
  local records = redis.call('HMGET', key('jobs'), unpack(ids))
  local scores = {}
  for _, state in ipairs(ENDED_STATES) do
    scores[state] = ends_of(state, ids)
  end
  local texts, until_then = {}, string.format('%.0f', now + lease_ms)
  for _, each in ipairs({ 'errors', 'results' }) do
    texts[#texts + 1] = redis.call('EXISTS', key(each)) == 1 and key(each) or nil
  end
  local groups, leases, gone = {}, {}, {}
  local bare, unmarked, bytes_of = payloads().bare, payloads().unmarked, payloads().bytes_of
  for i, id in ipairs(ids) do
    local state, at, mark = string.match(ends[i] or '', '^(%a+)|(%d+)|?(~?)')
    local is_ended = mark == '~' or state and tonumber(scores[state][i]) == tonumber(at)
    local record = kind == 'member' and bare(records[i] or '') or unmarked(records[i] or '')
    local size = kind == 'member' and #record or bytes_of(record)
    for _, each in ipairs(texts) do
      size = size + redis.call('HSTRLEN', each, id)
    end
    if left - size < floor and taken > 0 then
      break
    end
    if is_ended and records[i] then
      left, taken = left - size, taken + 1
      leases[#leases + 1], leases[#leases + 2] = until_then, id
      local group = groups[state] or { ids = {}, ends = {}, records = {} }
      local n = #group.ids + 1
      groups[state], group.ids[n], group.ends[n], group.records[n] = group, id, at, record
    else
      -- The server has evicted the record of the job, or its field in `ended`.
      gone[#gone + 1] = id
    end
  end
  if #gone > 0 then
    redis.call('ZREM', name, unpack(gone))
    effects().release(gone)
  end
  if #leases > 0 then
    redis.call('ZADD', name, unpack(leases))
  end
  for state, group in pairs(groups) do
    answer[#answer + 1] = kind
    answer[#answer + 1] = show(state, group.ids, group.ends, group.records)
  end
  return #leases / 2
end

-- Hands out the effects of nodes that completed in this call: appends `fresh` and { when the nodes ended;
-- their ids; their results } to `answer`.
local function hand_out_fresh(answer)
  local ids, found, results = effects().fresh, {}, key('results')
  if redis.call('EXISTS', results) == 1 then
    local sent, again = {}, {}
    for _, id in ipairs(ids) do
      local bytes = redis.call('HSTRLEN', results, id)
      if left < bytes and taken > 0 then
        again[#again + 1], again[#again + 2] = string.format('%.0f', now), id
      else
        local n = #sent + 1
        left, taken, sent[n], found[n] = left - bytes, taken + 1, id, bytes > 0 and redis.call('HGET', results, id)
      end
    end
    if #again > 0 then
      redis.call('ZADD', key('effects:member'), unpack(again))
    end
    ids = sent
  end
  answer[#answer + 1] = 'fresh'
  answer[#answer + 1] = { string.format('%.0f', now), ids, found }
end

-- Acknowledges the effects that a call names, and hands out effects that the call asks for. `wanted`: `e`,
-- followed by the lease of hooks in milliseconds if the caller takes hooks, by 0 if the caller takes no
-- effects, or by nothing if it takes only members. The names of the delivered effects begin on the next line.
-- Returns the effects that are handed out, or nothing.
local function serve(wanted)
  local lease_ms, names = string.match(wanted, '^e(%d*)\n?(.*)$')
  effects().acknowledge(names)
  lease_ms = tonumber(lease_ms)
  if lease_ms == 0 then
    return
  end
  effects().owed.is = effects().owed.is and not lease_ms
  local answer = {}
  -- If members are due, hooks may fill only half of the answer.
  local member_at = lease_ms and tonumber(redis.call('ZRANGE', key('effects:member'), 0, 0, 'WITHSCORES')[2])
  local is_due = member_at and member_at <= now
  hand_out(answer, 'hook', lease_ms and MAX_HOOKS or 0, lease_ms or 0, is_due and MAX_BYTES / 2 or 0)
  if #effects().fresh > 0 then
    hand_out_fresh(answer)
  end
  local most = MAX_ITEMS - #effects().fresh - effects().fresh.count
  most = most - hand_out(answer, 'member', most, MEMBER_LEASE_MS, 0)
  effects().hand_out_bundles(answer, most, effects().fresh.bundles)
  return #answer > 0 and answer or nil
end
