-- Returns for each of these jobs when it ended, or false if the job is not in the state `state`.
-- needs: start
-- gives: ends_of
local function ends_of(state, ids)
  local ends = redis.call('ZMSCORE', key(state), unpack(ids))
  for i, kept in ipairs(redis.call('EXISTS', key('kept')) == 1 and redis.call('ZMSCORE', key('kept:' .. state), unpack(ids)) or {}) do
    ends[i] = ends[i] or kept
  end
  return ends
end
