-- members: lists members of a flow that have not ended, or that ended without completing.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the flow
-- ARGV[3]  `missing` or `failed`
-- ARGV[4]  the lowest index
-- ARGV[5]  the maximum number of members
-- Returns  the indices of the members, in ascending order
-- Cost     O(n) for n members returned, and a fast search of the bits between them
-- needs: start

local is_missing, from, most, found = ARGV[3] == 'missing', tonumber(ARGV[4]), tonumber(ARGV[5]), {}
local bits = key((is_missing and 'crowd:' or 'crowd-failed:') .. ARGV[2])
local wanted = is_missing and 0 or 1
local reserved = tonumber(redis.call('HGET', key('flow:' .. ARGV[2]), 'reserved')) or 0
-- Bits after the end of the string count as 0.
local length = redis.call('STRLEN', bits)
local function add_from(byte, value)
  for bit = 0, 7 do
    local index = 8 * byte + bit
    local is_wanted = math.floor(value / 2 ^ (7 - bit)) % 2 == wanted
    if is_wanted and index >= from and index < reserved and #found < most then
      found[#found + 1] = index
    end
  end
end
local byte = math.floor(from / 8)
for _ = 0, most do
  if #found == most or 8 * byte >= reserved or byte >= length and not is_missing then
    break
  end
  -- BITPOS finds the next byte that has a wanted bit. So each byte yields at least one member, except perhaps
  -- the first byte, whose wanted bits may all be before `from`.
  local at = byte < length and redis.call('BITPOS', bits, wanted, byte) or 8 * byte
  if at < 0 then
    break
  end
  byte = math.floor(at / 8)
  local text = byte < length and redis.call('GETRANGE', bits, byte, byte) or ''
  add_from(byte, string.byte(text) or 0)
  byte = byte + 1
end
return found
