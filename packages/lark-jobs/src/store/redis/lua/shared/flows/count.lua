-- Counts members of flows as ended, and keeps the ends of nodes.
-- module: flows
-- needs: start
-- gives: count_ends

local MAX_FAILURES = 1000
local NODES = 90000000

-- Sets or clears the bits of members. Returns which of them were set before.
local function put_bits(bits, indices, value)
  local words = {}
  for i, index in ipairs(indices) do
    local n = 4 * i
    words[n - 3], words[n - 2], words[n - 1], words[n] = 'SET', 'u1', index, value
  end
  return #indices > 0 and redis.call('BITFIELD', bits, unpack(words)) or {}
end

-- Counts ends of the flow `id`. `completed`: indices of members, joined by ','. ARGV[first…]: `others` other ends, three
-- values each. Returns a letter for each, as apply.lua does, and whether the flow has become due.
local function count_ends(id, completed, first, others)
  local flow, ends = key('flow:' .. id), key('flow-ends:' .. id)
  local rev, lent, reserved, size, alarm, had_completed, had_failed =
    unpack(redis.call('HMGET', flow, 'rev', 'lent', 'reserved', 'size', 'alarm', 'completed', 'failed'))
  local verdicts, places, indices, n = {}, {}, {}, 0
  reserved, had_completed, had_failed = tonumber(reserved or 0), tonumber(had_completed or 0), tonumber(had_failed or 0)
  local sum, failed, is_called, has_news, over = had_completed, had_failed, false, false, {}

  for index in string.gmatch(completed, '%d+') do
    n = n + 1
    verdicts[n] = 'u'
    if rev and tonumber(index) < reserved then
      places[#places + 1], indices[#indices + 1] = n, index
    end
  end
  local again = { places = {}, indices = {} }
  for i, was_set in ipairs(put_bits(key('members:' .. id), indices, '1')) do
    verdicts[places[i]] = was_set == 1 and 'r' or 'c'
    sum = sum + 1 - was_set
    if was_set == 1 and failed > 0 then
      table.insert(again.places, places[i])
      table.insert(again.indices, indices[i])
    end
  end
  -- Members that had ended otherwise than completed have completed since.
  for i, was_set in ipairs(put_bits(key('members-failed:' .. id), again.indices, '0')) do
    if was_set == 1 then
      verdicts[again.places[i]], sum, failed, is_called = 'c', sum + 1, failed - 1, true
      over[#over + 1] = again.indices[i]
    end
  end
  if #over > 0 then
    redis.call('HDEL', ends, unpack(over))
  end

  local kept = {}
  places, indices = {}, {}
  for i = first, first + 3 * (others - 1), 3 do
    local index, ended, result = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    n = n + 1
    verdicts[n] = 'u'
    if rev and tonumber(index) >= NODES then
      local before = redis.call('HGET', ends, index)
      -- A node that has completed since counts again: its job was retried by hand.
      local is_news = not before or string.sub(ended, 1, 1) == 'c' and string.sub(before, 1, 1) ~= 'c'
      verdicts[n], has_news = is_news and 'c' or 'r', has_news or is_news
      if is_news then
        redis.call('HSET', ends, index, ended)
        redis.call('RPUSH', key('news:' .. id), index)
      end
      if is_news and result ~= '' then
        redis.call('HSET', key('flow-results:' .. id), index, string.sub(result, 2))
      end
    elseif rev and tonumber(index) < reserved then
      places[#places + 1], indices[#indices + 1], kept[#kept + 1] = n, index, ended
    end
  end
  local fresh = {}
  for i, was_set in ipairs(put_bits(key('members:' .. id), indices, '1')) do
    verdicts[places[i]] = was_set == 1 and 'r' or 'c'
    if was_set == 0 then
      fresh[#fresh + 1], failed = indices[i], failed + 1
      if failed <= MAX_FAILURES then
        redis.call('HSET', ends, indices[i], kept[i])
      end
    end
  end
  put_bits(key('members-failed:' .. id), fresh, '1')

  size, alarm = tonumber(size), tonumber(alarm)
  is_called = is_called or size and had_completed + had_failed < size and sum + failed >= size
    or alarm and had_failed < alarm and failed >= alarm
  if is_called then
    redis.call('HSET', flow, 'completed', sum, 'failed', failed, 'called', 1)
  elseif sum ~= had_completed or failed ~= had_failed then
    redis.call('HSET', flow, 'completed', sum, 'failed', failed)
  end
  local is_due = (is_called or has_news) and (tonumber(lent) or 0) <= now
  if is_due then
    -- One that is due for longer stays so.
    redis.call('ZADD', key('flows'), 'LT', string.format('%.0f', now), id)
  end
  return table.concat(verdicts), is_due
end
