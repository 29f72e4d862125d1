-- needs: start, lease, payloads, holder, journaled
-- gives: show

-- Reads the stored data of jobs in one state: { state, ids, records, counters, errors, places, holders,
-- results, reasons, payloads that are stored separately, progress }. `places`: for waiting and delayed jobs
-- the due times, for active jobs the times of the claims, for ended jobs the times of the ends. `known`: the
-- records, if the caller has read them already. `is_lean`: whether to leave out payloads that are stored
-- separately.
local function show(state, ids, places, known, is_lean)
  if #ids == 0 then
    return { state, ids }
  end
  local holders, results, reasons = {}, {}, {}
  if state == 'active' then
    holders = redis.call('HMGET', key('holders'), unpack(ids))
    for i, holder in ipairs(holders) do
      places[i] = holder and claimed_at(read_holder(holder)) or false
    end
    reasons = has_journals() and redis.call('HMGET', key('reasons'), unpack(ids)) or {}
  elseif state == 'completed' then
    results = redis.call('HMGET', key('results'), unpack(ids))
  elseif state == 'cancelled' or state == 'waiting' or state == 'delayed' then
    reasons = redis.call('HMGET', key('reasons'), unpack(ids))
  end
  local records = known or redis.call('HMGET', key('jobs'), unpack(ids))
  local function texts(name)
    return known and redis.call('EXISTS', key(name)) == 0 and {} or redis.call('HMGET', key(name), unpack(ids))
  end
  return {
    state, ids, records, texts('counters'), texts('errors'), places, holders, results, reasons,
    is_lean and {} or payloads().payloads_of(ids, records), texts('progress'),
  }
end
