-- The clock and the keys. KEYS[1] is one key of the partition, or one of the store-wide keys. All other keys
-- have the same prefix and hash tag, so that they are in the same slot. Times are in milliseconds since 1970.
-- gives: tag, key, in_cluster, now, made

local tag = string.match(KEYS[1], '^.*}:')
local function key(name)
  return tag .. name
end
-- The modules that this call has made (build/fragments.js).
local made = {}

-- Only on a cluster, there is a KEYS[2]. No data is stored under it (`hash-slot.ts`).
local in_cluster = KEYS[2] ~= nil

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
