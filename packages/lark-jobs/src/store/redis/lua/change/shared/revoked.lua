-- Revoked moves: moves of a job that no longer have an effect (`store/contract/moves.ts`, Void). A revoked
-- move is kept like a job that has moved (gone.lua), but without a partition, and under `void:` and a digest
-- of the job's id. The id itself may contain personal data, and nothing of a purged job may be kept. No job
-- has an id that begins with `void:`, because an id that the application chooses contains no colon.
-- needs: start, options, gone
-- gives: moved_at_of, revoke, revoke_put, is_revoked

local function mark_of(id)
  return 'void:' .. redis.sha1hex(id)
end

-- The instant of the last move of the job with this record; 0 if the job was never moved.
local function moved_at_of(record)
  if not record or not string.find(record, '"movedAt"', 1, true) then
    return 0
  end
  local _, values = options().options_of(record)
  return tonumber(values.movedAt) or 0
end

-- Revokes all moves of a job up to an instant: a `put` of one of these moves that arrives later changes
-- nothing.
local function revoke(id, moved_at)
  local mark = mark_of(id)
  local _, before = gone(mark)
  redis.call('HSET', key('jobs'), mark, '~')
  redis.call('HSET', key('ended'), mark, string.format('moved|%.0f|~%.0f|', now, math.max(moved_at, before or 0)))
  redis.call('ZADD', key('remembered'), string.format('%.0f', math.max(now, moved_at) + MOVED_LEAST), mark)
  redis.call('HSETNX', key('settings'), 'effects', 1)
end

-- Revokes the last move of a job that is removed or replaced, if a `put` of this move may still arrive.
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
