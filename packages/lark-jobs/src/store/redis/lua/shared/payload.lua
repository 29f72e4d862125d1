-- The payload of a job: in its record, or where that would be long, in a hash of its own; the record then ends in LARGE
-- and the payload's bytes. So whoever looks at many records reads little, and knows how much an answer would carry. There
-- is no command that reads the beginning of a field. (Measured on 2026-11-25, 2 cores, shared: to claim and complete a job
-- takes, with its payload in the record and with it apart, 20 and 24 µs at 1.2 kB, 25 and 25 at 2 kB, 112 and 78 at
-- 16 kB, 500 and 270 at 64 kB, 3.0 and 2.6 ms at 500 kB. To retry or cancel it took as long as to read it.)
--   payloads  HASH  id -> payload
-- `settings` has `large` while there may be any: 1, or 2 when an earlier layout may have left some in their records.
local LARGE = '\29'

-- Where the payload begins; nothing in a damaged record.
local function payload_at(record)
  local key_at = string.find(record, '|', 1, true)
  local bar = key_at and string.find(record, '|', key_at + 1, true)
  return bar and bar + 1
end

-- A long record as it is kept, and its payload.
local function part(record)
  local at = payload_at(record)
  return string.sub(record, 1, at - 1) .. LARGE .. #record - at + 1, string.sub(record, at)
end

-- Of a record, with its payload wherever that is.
local function bytes_of(record)
  local at = record and string.find(record, LARGE, 1, true)
  return at and at - 1 + (tonumber(string.sub(record, at + 1)) or 0) or record and #record or 0
end

-- Whether a record can take another payload: it is neither damaged nor of another format, whose mark it has.
local function is_changeable(record)
  return payload_at(record) and not string.find(record, '^[^,|]*,[^,|]*,!')
end

-- `pairs`: ids and payloads in turns.
local function keep_payloads(pairs)
  if #pairs > 0 then
    redis.call('HSET', key('payloads'), unpack(pairs))
    redis.call('HSETNX', key('settings'), 'large', 1)
  end
end

-- Puts a record in the place of another. `large`: its payload if that is kept apart.
local function change_record(id, before, record, large)
  redis.call('HSET', key('jobs'), id, record)
  if large then
    keep_payloads({ id, large })
  elseif string.find(before, LARGE, 1, true) then
    redis.call('HDEL', key('payloads'), id)
  end
end

-- Those that are kept apart, of jobs with these records, in their order.
local function payloads_of(ids, records)
  local large = {}
  for i, record in ipairs(records) do
    if record and string.find(record, LARGE, 1, true) then
      large[#large + 1] = ids[i]
    end
  end
  return #large > 0 and redis.call('HMGET', key('payloads'), unpack(large)) or {}
end
