-- Kin: the lanes of one group, which has one for each limiter that its jobs need and one for those that need none. Its
-- limits and its order are those of all of them together.

-- The other lanes of its group.
local function kin_of(lane)
  local group = string.match(lane, '^[^^]*')
  local all = group == '' and {} or redis.call('ZRANGE', key('kin:' .. group), 0, -1)
  if #all > 0 and redis.call('EXISTS', key('group:' .. group)) == 1 then
    all[#all + 1] = group
  end
  local kin = {}
  for _, each in ipairs(all) do
    if each ~= lane then
      kin[#kin + 1] = each
    end
  end
  return kin
end

-- How many jobs of all of them are active. `busy`: of the lane itself.
local function busy_with(kin, busy)
  for _, each in ipairs(kin) do
    busy = busy + tonumber(redis.call('HGET', key('group:' .. each), 'busy') or 0)
  end
  return busy
end

-- Whether, where the order is strict, a job of another lane goes before those of this one, which has its `first`.
local function is_behind(lane, kin, first)
  local own = tonumber(redis.call('ZRANGE', key('lane:' .. lane), 0, 0, 'WITHSCORES')[2])
  for _, each in ipairs(kin) do
    fall_due(each)
    local head = tonumber(redis.call('ZRANGE', key('lane:' .. each), 0, 0, 'WITHSCORES')[2])
    if not first and (first_of(each, redis.call('HGET', key('group:' .. each), 'first')) or head and own and head < own) then
      return true
    end
  end
  return false
end
