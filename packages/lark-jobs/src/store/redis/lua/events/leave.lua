-- leave: removes a caller from the waiting callers of partitions.
--
-- KEYS[1]  partitions  SET of names
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  caller
-- ARGV[3…] the name of each partition
-- Returns  { the names of the partitions that have claimed jobs; two values for each damaged partition: its
--          name, and its error }
-- Cost     O(n) for n partitions
-- needs: start, visit

local function leave()
  redis.call('SREM', key('idle'), ARGV[2])
  redis.call('HDEL', key('offers'), ARGV[2])
  return redis.call('EXISTS', key('leases')) == 1
end

-- This write is outside of `pcall`, so a replica refuses the whole call, and the call is sent to the new
-- primary. Inside `pcall`, the refusal would make each partition look damaged.
redis.call('SREM', key('partitions'), '')

local holding, damaged = {}, {}
for i = 3, #ARGV do
  visit(ARGV[i])
  local is_sound, holds = pcall(leave)
  if not is_sound then
    damaged[#damaged + 1] = i - 3
    damaged[#damaged + 1] = type(holds) == 'table' and holds.err or tostring(holds)
  elseif holds then
    holding[#holding + 1] = i - 3
  end
end
return { holding, damaged }
