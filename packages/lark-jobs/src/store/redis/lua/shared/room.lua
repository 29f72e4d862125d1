-- Counts how many bytes of jobs a claim may still hand out, in a partition that has large jobs. (A thousand
-- small jobs always fit into one claim.) The first job always fits. A job that does not fit ends the claim,
-- because later jobs must not go before it.
-- module: rooms
-- needs: start, payloads
-- gives: byte_room
local byte_room = { left = MAX_BYTES, is_full = false, is_empty = true, floor = -math.huge }

-- Whether the job with this record fits. `is_more`: whether the claim already has a job of the same lane.
-- Then this job may use only the lane's share of the bytes.
function byte_room.takes(record, is_more)
  local left = byte_room.left - payloads().bytes_of(record)
  byte_room.is_full = left < 0 and not byte_room.is_empty
  if byte_room.is_full or is_more and left < byte_room.floor then
    return false
  end
  byte_room.left, byte_room.is_empty = left, false
  return true
end

-- Returns as many of the first jobs of `ids` as fit.
function byte_room.first(ids)
  local list = {}
  for i, record in ipairs(#ids > 0 and redis.call('HMGET', key('jobs'), unpack(ids)) or {}) do
    if not byte_room.takes(record, i > 1) then
      break
    end
    list[i] = ids[i]
  end
  return list
end
