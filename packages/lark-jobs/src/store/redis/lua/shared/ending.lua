-- Jobs that ended where no handler ran, though their class has something to do then.
--   hooked   HASH  id -> 1: all whose class has
--   endings  ZSET  id -> from when on it is for whoever asks
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
