-- A small payload is part of the record of its job. A large payload is in a separate hash, and the record
-- ends with LARGE and the number of bytes of the payload. So a script that reads many records reads few
-- bytes, and still knows how many bytes the answer with payloads would have. (Redis has no command that reads
-- only the beginning of a field.) (Measured on 2026-11-25, 2 cores, shared. Time for claiming and completing
-- a job with its payload in the record, and in the separate hash: 20 and 24 µs at 1.2 kB, 25 and 25 at 2 kB,
-- 112 and 78 at 16 kB, 500 and 270 at 64 kB, 3.0 and 2.6 ms at 500 kB. With the payload in the record, a
-- retry or a cancel took as long as reading the payload.)
--   payloads  HASH  id -> payload
-- `large` in `settings`: 1 while there may be payloads in the hash.
-- module: payloads
-- needs: start
-- gives: part, unmarked, bare, payload_at, bytes_of, is_changeable, keep_payloads, change_record, payloads_of
local LARGE = '\29'

-- The position in a record at which the payload begins; nothing if the record is damaged.
local function payload_at(record)
  local key_at = string.find(record, '|', 1, true)
  local bar = key_at and string.find(record, '|', key_at + 1, true)
  return bar and bar + 1
end

-- Splits a long record into the record that is stored, and the payload that is stored separately.
local function part(record)
  local at = payload_at(record)
  return string.sub(record, 1, at - 1) .. LARGE .. #record - at + 1, string.sub(record, at)
end

-- The record without the mark of a hidden job (effect.lua).
local function unmarked(record)
  return string.byte(record) == 126 and string.sub(record, 2) or record
end

-- The record without the mark of a hidden job and without its payload.
local function bare(record)
  return unmarked(string.sub(record, 1, (payload_at(record) or 0) - 1))
end

-- The number of bytes of a record together with its payload, even if the payload is stored separately.
local function bytes_of(record)
  local at = record and string.find(record, LARGE, 1, true)
  return at and at - 1 + (tonumber(string.sub(record, at + 1)) or 0) or record and #record or 0
end

-- Whether the payload of a record can be replaced: the record is not damaged, and the payload has no mark of
-- another format.
local function is_changeable(record)
  return payload_at(record) and not string.find(record, '^[^,|]*,[^,|]*,!')
end

-- Stores payloads in the separate hash. `pairs`: id, payload, id, payload, …
local function keep_payloads(pairs)
  if #pairs > 0 then
    redis.call('HSET', key('payloads'), unpack(pairs))
    redis.call('HSETNX', key('settings'), 'large', 1)
  end
end

-- Replaces the record `before` of a job by `record`. `large`: the new payload, if `record` does not contain
-- it.
local function change_record(id, before, record, large)
  local is_apart = string.find(record, LARGE, 1, true)
  if not is_apart and #record > MAX_SMALL then
    record, large = part(record)
    is_apart = true
  end
  redis.call('HSET', key('jobs'), id, record)
  if large then
    keep_payloads({ id, large })
  elseif not is_apart and string.find(before, LARGE, 1, true) then
    redis.call('HDEL', key('payloads'), id)
  end
end

-- Returns the payloads that are stored separately, in the order of their jobs. `records`: the records of the
-- jobs, which show whether a payload is stored separately.
local function payloads_of(ids, records)
  local large = {}
  for i, record in ipairs(records) do
    if record and string.find(record, LARGE, 1, true) then
      large[#large + 1] = ids[i]
    end
  end
  return #large > 0 and redis.call('HMGET', key('payloads'), unpack(large)) or {}
end
