-- How many bytes of jobs a claim may still hand out, in a partition that has large ones. (A thousand others fit.) The
-- first job goes whatever its size; one that does not fit ends the claim, since those behind it must not pass it over.
-- include: payload
local MAX_BYTES = 1048576
local room = { left = MAX_BYTES, is_full = false, is_empty = true, floor = -math.huge }

-- Whether a job of this record goes along. `is_more`: of its lane, one does so already, and so it takes only its share.
function room.takes(record, is_more)
  local left = room.left - bytes_of(record)
  room.is_full = left < 0 and not room.is_empty
  if room.is_full or is_more and left < room.floor then
    return false
  end
  room.left, room.is_empty = left, false
  return true
end

-- Those of the next jobs that go along.
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
