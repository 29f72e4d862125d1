-- The ids of jobs that came through an outbox, which may send them again (`model/record.ts#Keep`).
--   relayed  ZSET  id -> until when it is known: +inf as long as the job is kept. For an id that may be
--                  reused, what distinguishes its jobs, counted from when the job was queued
-- module: admission
-- needs: start
-- gives: came_before, note_relayed

-- The name under which a job is remembered here. The options of a record are before its first bar.
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
