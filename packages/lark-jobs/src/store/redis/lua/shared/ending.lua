-- Jobs that ended without a running handler, and whose class has a hook for this.
--   hooked   HASH  id -> 1: jobs whose class has such a hook
--   endings  ZSET  id -> from when on endings.lua hands the job out
-- needs: start
-- gives: note_endings
local function note_endings(ids)
  if #ids == 0 or redis.call('EXISTS', key('hooked')) == 0 then
    return
  end
  for i, hooked in ipairs(redis.call('HMGET', key('hooked'), unpack(ids))) do
    if hooked then
      redis.call('ZADD', key('endings'), now, ids[i])
    end
  end
end
