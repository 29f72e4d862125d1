-- How many bytes of jobs a claim may still hand out, in a partition that has large jobs. (A thousand small jobs always
-- fit.) The first job is handed out whatever its size. A job that does not fit ends the claim, because the jobs after
-- it must not pass it.
-- include: payload
local MAX_BYTES = 1048576
local room = { left = MAX_BYTES, is_full = false, is_empty = true, floor = -math.huge }

-- Whether the job with this record fits. `is_more`: the claim has a job of its lane already, so it may only use the
-- share of the lane.
function room.takes(record, is_more)
  local left = room.left - bytes_of(record)
  room.is_full = left < 0 and not room.is_empty
  if room.is_full or is_more and left < room.floor then
    return false
  end
  room.left, room.is_empty = left, false
  return true
end

-- Those of the next jobs that fit.
function room.first(ids)
  local list = {}
  for i, record in ipairs(#ids > 0 and redis.call('HMGET', key('jobs'), unpack(ids)) or {}) do
    if not room.takes(record, i > 1) then
      break
    end
    list[i] = ids[i]
  end
  return list
end

room.payloads_of = payloads_of
return room
