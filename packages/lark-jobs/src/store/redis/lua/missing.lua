-- missing: members of a flow that have not ended.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  the flow
-- ARGV[3]  the lowest index
-- ARGV[4]  how many at most
-- Returns  indices in ascending order
-- Cost     O(n) for n members returned, and a fast search of the bits between them
-- needs: start

local bits, from, most, found = key('members:' .. ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), {}
local size = tonumber(redis.call('HGET', key('flow:' .. ARGV[2]), 'size') or 0)
-- Bits behind the end of the text are not set.
local length = redis.call('STRLEN', bits)
local function add_zeros(byte, value)
  for bit = 0, 7 do
    local index = 8 * byte + bit
    if math.floor(value / 2 ^ (7 - bit)) % 2 == 0 and index >= from and index < size and #found < most then
      found[#found + 1] = index
    end
  end
end
local byte = math.floor(from / 8)
for _ = 0, most do
  if #found == most or 8 * byte >= size then
    break
  end
  -- The search finds the next byte in which a bit is not set. Only the first may add nothing, which is before `from`.
  local at = byte < length and redis.call('BITPOS', bits, 0, byte) or 8 * byte
  byte = math.floor(at / 8)
  local text = byte < length and redis.call('GETRANGE', bits, byte, byte) or ''
  add_zeros(byte, string.byte(text) or 0)
  byte = byte + 1
end
return found
