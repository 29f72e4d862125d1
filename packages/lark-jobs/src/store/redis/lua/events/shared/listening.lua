-- Writes events while somebody listens.
--   events     LIST  entries: the kind, a blank and the time; then the ids, one on each line
--   listeners  SET   the listeners that are rung at the next change
-- In `settings`: `listened`, until when somebody listens; `trimmed`, how many entries were removed from the
-- front of the list. Entries are numbered from 1. A new list begins with an entry without ids, so that the
-- list always has a last entry. `events` is not a stream, because the permissions that an earlier manual gave
-- to Redis users do not include streams.
-- module: listening
-- needs: start, notice
-- gives: listen, write_event

-- Whether this call has rung the listeners.
local have_rung = false
-- The last entry of this call: its kind, its text, and the number of its ids.
local last = {}

local function listen(ttl, number, count)
  redis.call('PEXPIRE', key('listeners'), 10 * ttl)
  local till, trimmed = unpack(redis.call('HMGET', key('settings'), 'listened', 'trimmed'))
  local length = redis.call('LLEN', key('events'))
  local is_new = length == 0
  if is_new then
    length, trimmed = redis.call('RPUSH', key('events'), string.format('begun %.0f', now)), 0
    redis.call('HDEL', key('settings'), 'trimmed')
  end
  if is_new or (tonumber(till) or 0) < now + ttl / 2 then
    redis.call('HSET', key('settings'), 'listened', string.format('%.0f', now + ttl))
    -- The list also expires by itself, because perhaps no later change removes the list.
    redis.call('PEXPIRE', key('events'), 10 * ttl)
  end
  trimmed = tonumber(trimmed) or 0
  local index = number and number - trimmed - 1 or length - 1
  if index < 0 or index >= length then
    index = length - 1
  end
  return { trimmed + index + 1, redis.call('LRANGE', key('events'), index, index + count) }
end

-- Returns the text for the next entry: the ids from the index `from` on, at most `count` ids and EVENTS_BYTES
-- bytes. The second result is the number of these ids.
local function together(ids, from, count)
  local to = math.min(from + count, #ids + 1) - 1
  local text = table.concat(ids, '\n', from, to)
  while #text > EVENTS_BYTES and to > from do
    to = from + math.floor((to - from) / 2)
    text = table.concat(ids, '\n', from, to)
  end
  return text, to - from + 1
end

-- Writes events and rings the listeners, unless the time of all listeners is over; then removes all events.
-- `till`: the value of `listened` in `settings`. Returns `till`, or '' if the time of all listeners is over.
local function write_event(till, kind, ids)
  if (tonumber(till) or 0) <= now then
    redis.call('DEL', key('events'), key('listeners'))
    redis.call('HDEL', key('settings'), 'listened', 'trimmed')
    return ''
  end
  local head, entries, first = string.format('%s %.0f\n', kind, now), {}, 1
  if last.kind == kind and last.count < EVENTS_TOGETHER then
    local text, count = together(ids, 1, EVENTS_TOGETHER - last.count)
    text = last.text .. '\n' .. text
    if #text - #head <= EVENTS_BYTES then
      first, last.count, last.text = count + 1, last.count + count, text
      redis.call('LSET', key('events'), -1, text)
    end
  end
  if first > #ids then
    return till
  end
  while first <= #ids do
    local text, count = together(ids, first, EVENTS_TOGETHER)
    entries[#entries + 1] = head .. text
    last = { kind = kind, text = entries[#entries], count = count }
    first = first + count
  end
  local length = redis.call('RPUSHX', key('events'), unpack(entries))
  if length == 0 then
    last = {}
  end
  -- The list is trimmed only when it is a tenth too long, because each trim takes more commands.
  if length > EVENTS_KEPT * 1.1 then
    redis.call('LTRIM', key('events'), -EVENTS_KEPT, -1)
    redis.call('HINCRBY', key('settings'), 'trimmed', length - EVENTS_KEPT)
  end
  if not have_rung then
    have_rung = true
    for _, listener in ipairs(redis.call('SPOP', key('listeners'), MAX_ITEMS)) do
      notify(listener)
    end
  end
  return till
end
