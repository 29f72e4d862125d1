-- The clock and the keys of a script. KEYS[1] is a key of the partition, or a key of the whole store. All
-- other keys of the script have the same prefix and hash tag, so that they are in the same slot. Times are in
-- milliseconds since 1970.
-- gives: tag, key, in_cluster, now, made

local tag = string.match(KEYS[1], '^.*}:')
local function key(name)
  return tag .. name
end
-- The modules that this call has made (build/fragments.js).
local made = {}

-- There is a KEYS[2] only on a cluster. No data is ever stored under this key (`hash-slot.ts`).
local in_cluster = KEYS[2] ~= nil

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
