-- When schedules and flows are due.
--   ticks  ZSET  id of a schedule -> when it is due, or until when it is handed out
--   flows  ZSET  id of a flow -> when it is due, or until when it is handed out
-- `ticks` and `flows` in `settings` are 1 while the set exists.
-- module: ticks
-- needs: start
-- gives: flags_of_ticks, next_tick

-- Returns which of the two sets exist, as the flags in `settings` say.
local function flags_of_ticks()
  local flags = redis.call('HMGET', key('settings'), 'ticks', 'flows')
  return { ticks = flags[1], flows = flags[2] }
end

-- Returns the milliseconds until a schedule or a flow is due; nothing if none will be due. Updates the flags
-- in `settings`. `flags`: which sets existed before this call. `changed`: the name of the set that this call
-- has changed, or nothing.
local function next_tick(flags, changed)
  local first = math.huge
  for _, name in ipairs({ 'ticks', 'flows' }) do
    local is_changed = name == changed
    local at = (flags[name] or is_changed) and tonumber(redis.call('ZRANGE', key(name), 0, 0, 'WITHSCORES')[2])
    if is_changed and at and not flags[name] then
      redis.call('HSET', key('settings'), name, 1)
    elseif is_changed and flags[name] and not at then
      redis.call('HDEL', key('settings'), name)
    end
    first = math.min(first, at or math.huge)
  end
  return first < math.huge and math.max(first - now, 0) or nil
end
