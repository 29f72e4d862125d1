-- Hands new jobs to waiting callers together with a ring, which saves each of these callers a call. A waiting
-- caller leaves an offer that says how many jobs it takes. The number of a claim that is handed out in this
-- way is the number of the caller's last call, followed by `.5`.
--   offers   HASH  caller -> number of the call that left the offer | how many jobs it takes with a ring |
--                  lease
-- module: offers
-- needs: start, lease, payloads
-- gives: hand
local HALF = '.5'
-- The maximum number of bytes of jobs that one ring carries.
local weight = 65536

-- Hands the first jobs of `ids` to waiting callers. A ring has the ids and records of its jobs, followed by
-- the payloads that are stored separately. Returns how many jobs were handed out, and how many callers were
-- rung without jobs.
local function hand(ids, records)
  local prefix, partition = string.match(tag, '^(.-){(.*)}:$')
  local handed, rung = 0, 0
  for _ = 1, 100 do
    local caller = handed + rung < #ids and redis.call('SPOP', key('idle'))
    if not caller then
      break
    end
    local offer = redis.call('HGET', key('offers'), caller)
    local number, room, lease_ms = string.match(offer or '', '^(%d+)|(%d+)|(%d+)$')
    local part, message, bytes = {}, { partition, (number or '') .. HALF, '' }, 0
    for i = handed + 1, math.min(handed + (tonumber(room) or 0), #ids) do
      bytes = bytes + payloads().bytes_of(records[i])
      if bytes > weight then
        break
      end
      part[#part + 1], message[#message + 1] = ids[i], records[i]
    end
    message[3] = table.concat(part, '\n')
    for _, payload in ipairs(payloads().payloads_of(part, { unpack(message, 4) })) do
      message[#message + 1] = payload
    end
    redis.call('HDEL', key('offers'), caller)
    local heard = redis.pcall('PUBLISH', prefix .. 'bell:' .. caller, #part > 0 and table.concat(message, '\30') or partition)
    if type(heard) == 'number' and heard > 0 then
      if #part > 0 then
        open_claim(caller .. '.' .. number .. HALF, part, 0, {}, now + tonumber(lease_ms))
        handed = handed + #part
      else
        rung = rung + 1
      end
    end
  end
  return handed, rung
end
