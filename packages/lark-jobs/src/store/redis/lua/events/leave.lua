-- leave: takes a caller out of partitions where it may be noted as waiting.
--
-- KEYS[1]  partitions  SET of names
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  caller
-- ARGV[3…] one a partition: its name
-- Returns  { which of them have jobs that are handed out; two a partition that is damaged: which, and what it
--          answers }
-- Cost     O(n) for n partitions
-- needs: start, visit

local function leave()
  redis.call('SREM', key('idle'), ARGV[2])
  redis.call('HDEL', key('offers'), ARGV[2])
  return redis.call('EXISTS', key('leases')) == 1
end

-- A replica refuses a write that is outside of pcall. So the call goes to the new primary, and no partition
-- looks damaged.
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
