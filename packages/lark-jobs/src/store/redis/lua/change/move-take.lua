-- move-take: takes jobs out of this partition, to move them to other partitions. Or hands out jobs that were
-- taken out before and have not arrived.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the lease of the caller on the jobs, milliseconds
-- ARGV[3…] two values for each job: its id, and its new partition. Without these values, the script hands out
--          up to 100 jobs that were taken out before and that no caller holds now. With a single `*`, it also
--          hands out jobs that other callers hold
-- Returns  { a letter for each job: t(aken), r(efused), m(issing), l(eft); four values for each job that was
--          taken: its id, its new partition, the instant of the move, and its text }
-- Cost     O(n log m) for n jobs among m delayed jobs
-- needs: start, line, place, lanes, locate, payloads, options, admission, erase, event, rouse, gone, revoked
-- needs: schedules, journals, journaled

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script. The script needs little memory, because the text that it keeps
-- for a moving job replaces the record of the job.
redis.call('ZREM', key('effects:move'), '')
local till = string.format('%.0f', now + tonumber(ARGV[2]))
local left, taken = MAX_BYTES, {}

local function has_room(bytes)
  local fits = #taken == 0 or bytes <= left
  left = left - bytes
  return fits
end

local function hand_out(id, to, moved_at, text)
  redis.call('ZADD', key('effects:move'), till, id)
  for _, value in ipairs({ id, to, string.format('%.0f', moved_at), text }) do
    taken[#taken + 1] = value
  end
  return 't'
end

-- Takes a job out of its line, and keeps the complete job as one text (gone.lua).
local function take_out(id, to, record, priority, place, written)
  local moved_at = math.max(now, moved_at_of(record) + 1)
  local large = payloads().payloads_of({ id }, { record })[1]
  local lane = string.match(priority, '@(.*)$')
  local group = lane and redis.call('HMGET', key('group:' .. lane), 'limits', 'first') or {}
  local lock = redis.call('HGET', key('locks'), id) or ''
  local _, _, name = admission().read_lock(lock)
  local marks = (name and admission().locker(name) == id and 'l' or '') .. (group[2] == id and 'f' or '')
  for _, each in ipairs({ 'hooked', 'direct' }) do
    marks = marks .. (redis.call('HEXISTS', key(each), id) == 1 and string.sub(each, 1, 1) or '')
  end
  local texts = { string.format('%.0f', tonumber(place) or queued(id, record)), marks }
  for _, each in ipairs({ 'counters', 'errors', 'logs', 'progress', 'keeps' }) do
    texts[#texts + 1] = redis.call('HGET', key(each), id) or ''
  end
  -- The record that moves gets the limits that this partition keeps for the group. Another job of the group
  -- may have brought these limits.
  local before, after = string.match(record, '^([^,|]*,[^,|~]*@[^,|~]*)~?[^,|]*([,|].*)$')
  local limits = (group[1] or '') ~= '' and '~' .. group[1] or ''
  record = options().with_options(before and before .. limits .. after or record, { movedAt = string.format('%.0f', moved_at) })
  for _, each in ipairs({ record, large or '', written and journals().carried(id) or '', lock }) do
    texts[#texts + 1] = each
  end
  local text = table.concat(texts, '\30')
  leave(id, priority, place)
  redis.call('ZREM', key('stranded'), id)
  redis.call('ZREM', key('stranded-due'), id)
  erase({ id })
  redis.call('HSET', key('jobs'), id, '~' .. text)
  redis.call('HSET', key('ended'), id, string.format('moving|%.0f|~%.0f|', now, moved_at) .. to)
  redis.call('HSETNX', key('settings'), 'effects', 1)
  schedules().note_runs('moved', { id }, {})
  tell('moved', { id })
  return hand_out(id, to, moved_at, text)
end

local function take(id, to)
  local known, moved_at, where = gone(id)
  if known then
    local text = known == 'moving' and where == to and string.sub(redis.call('HGET', key('jobs'), id) or '', 2)
    return not text and 'm' or has_room(#text) and hand_out(id, to, moved_at, text) or 'l'
  end
  local state, record, priority, place = locate(id)
  if not state then
    return 'm'
  elseif state ~= 'waiting' and state ~= 'delayed' or not payloads().is_changeable(record)
    or string.find(record, '^[^,|]*,[^,|]*,[^{|]') then
    return 'r'
  end
  local written = has_journals() and journals().journal_bytes(id)
  if written and written > MAX_MOVED_JOURNAL then
    return 'r'
  end
  return has_room(payloads().bytes_of(record) + (written or 0)) and take_out(id, to, record, priority, place, written) or 'l'
end

local verdicts = {}
for i = 3, #ARGV - 1, 2 do
  verdicts[#verdicts + 1] = take(ARGV[i], ARGV[i + 1])
end
-- If there is a third argument, it is the `*` that asks for all moving jobs.
local due_until = #ARGV == 3 and '+inf' or now
for _, id in ipairs(#ARGV < 4 and redis.call('ZRANGE', key('effects:move'), '-inf', due_until, 'BYSCORE', 'LIMIT', 0, 100) or {}) do
  local state, moved_at, to = gone(id)
  local record = redis.call('HGET', key('jobs'), id)
  if state ~= 'moving' or not record then
    redis.call('ZREM', key('effects:move'), id)
  elseif has_room(#record) then
    hand_out(id, to, moved_at, string.sub(record, 2))
  end
end
if made.lanes then
  lanes().reposition_all()
end
rouse(0)
return { table.concat(verdicts), taken }
