-- Which moves of a job no longer have an effect (`store/contract/moves.ts`, Void). Each is kept like the
-- trace of a move (gone.lua), but without a partition, and under a digest instead of the id: nothing of a
-- purged job may be kept, and an id may contain personal data. No job has such an id, because ids of the
-- application have no colon.
-- needs: start, options, gone
-- gives: moved_at_of, revoke, revoke_put, is_revoked

local function mark_of(id)
  return 'void:' .. redis.sha1hex(id)
end

-- When a job was moved last; 0 if it was not.
local function moved_at_of(record)
  if not record or not string.find(record, '"movedAt"', 1, true) then
    return 0
  end
  local _, values = options().options_of(record)
  return tonumber(values.movedAt) or 0
end

-- Makes sure that a later `put` of the job by this move, or by an earlier one, changes nothing.
local function revoke(id, moved_at)
  local mark = mark_of(id)
  local _, before = gone(mark)
  redis.call('HSET', key('jobs'), mark, '~')
  redis.call('HSET', key('ended'), mark, string.format('moved|%.0f|~%.0f|', now, math.max(moved_at, before or 0)))
  redis.call('ZADD', key('remembered'), string.format('%.0f', math.max(now, moved_at) + MOVED_LEAST), mark)
  redis.call('HSETNX', key('settings'), 'effects', 1)
end

-- Revokes the last move of a job that is removed or replaced, if a `put` of it may still come.
local function revoke_put(id, record)
  local moved_at = moved_at_of(record)
  if moved_at > 0 and moved_at + MOVED_LEAST > now and not gone(id) then
    revoke(id, moved_at)
  end
end

local function is_revoked(id, moved_at)
  local _, at = gone(mark_of(id))
  return at ~= nil and at >= moved_at
end
