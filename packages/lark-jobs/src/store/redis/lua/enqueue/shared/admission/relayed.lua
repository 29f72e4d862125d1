-- Remembers the jobs that came through an outbox, because the relay may send a job again
-- (`model/record.ts#Keep`).
--   relayed  ZSET  name -> until when the name is remembered. The name is the id of the job, and is
--                  remembered as long as the job is kept (+inf). If the id of the job may be used again, the
--                  name is the option `born` of the job, and is remembered for RELAYED_MEMORY
-- module: admission
-- needs: start
-- gives: came_before, note_relayed

-- The name under which a job is remembered in `relayed`. (The options of a record are in front of its first
-- `|`.)
local function name_of(id, own, record)
  return own == 'o' and string.match(record, '^[^|]*"born":"(%w+)"') or id
end

local function came_before(id, own, record)
  local till = redis.call('ZSCORE', key('relayed'), name_of(id, own, record))
  return till and tonumber(till) > now
end

local function note_relayed(id, own, record)
  local till = own == 'o' and string.format('%.0f', now + RELAYED_MEMORY) or '+inf'
  redis.call('ZADD', key('relayed'), till, name_of(id, own, record))
end
