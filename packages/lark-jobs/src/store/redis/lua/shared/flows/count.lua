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

-- Keeps the end of a node, which is in ARGV[i] and the two behind it. Returns whether it is news. The end itself is
-- written last: if foreign data ends the script, the node is news when it is delivered again.
local function keep_node(id, i)
  local index, ended, result, ends = ARGV[i], ARGV[i + 1], ARGV[i + 2], key('flow-ends:' .. id)
  local before = redis.call('HGET', ends, index)
  -- A node that has completed since counts again: its job was retried by hand.
  if before and (string.sub(ended, 1, 1) ~= 'c' or string.sub(before, 1, 1) == 'c') then
    return false
  end
  if result ~= '' then
    redis.call('HSET', key('flow-results:' .. id), index, string.sub(result, 2))
  end
  redis.call('RPUSH', key('news:' .. id), index)
  redis.call('HSET', ends, index, ended)
  return true
end

-- Counts ends of the flow `id`. `completed`: indices of members, joined by ','. ARGV[first…]: `others` other ends, three
-- values each. Returns a letter for each, as apply.lua does, and whether the flow has become due.
local function count_ends(id, completed, first, others)
  local flow, ends = key('flow:' .. id), key('flow-ends:' .. id)
  local rev, lent, reserved, size, alarm, had_completed, had_failed =
    unpack(redis.call('HMGET', flow, 'rev', 'lent', 'reserved', 'size', 'alarm', 'completed', 'failed'))
  reserved, had_completed, had_failed = tonumber(reserved) or 0, tonumber(had_completed) or 0, tonumber(had_failed) or 0
  local verdicts, has_news, is_called = {}, false, false
  local done, not_done = { places = {}, indices = {} }, { places = {}, indices = {}, ends = {} }
  for index in string.gmatch(completed, '%d+') do
    local n, m = #verdicts + 1, #done.indices + 1
    verdicts[n] = 'u'
    if rev and tonumber(index) < reserved then
      done.places[m], done.indices[m] = n, index
    end
  end
  for i = first, first + 3 * (others - 1), 3 do
    local n, m, index = #verdicts + 1, #not_done.indices + 1, tonumber(ARGV[i])
    verdicts[n] = 'u'
    if rev and index >= NODES then
      local is_news = keep_node(id, i)
      verdicts[n], has_news = is_news and 'c' or 'r', has_news or is_news
    elseif rev and index < reserved then
      not_done.places[m], not_done.indices[m], not_done.ends[m] = n, ARGV[i], ARGV[i + 1]
    end
  end

  if #not_done.indices > 0 or had_failed > 0 then
    -- Foreign data under these keys ends the script before a bit is set that would not count.
    redis.call('STRLEN', key('members-failed:' .. id))
    redis.call('HLEN', ends)
  end
  local sum, failed, again, over, fresh = had_completed, had_failed, { places = {}, indices = {} }, {}, {}
  for i, was_set in ipairs(put_bits(key('members:' .. id), done.indices, '1')) do
    local n = done.places[i]
    verdicts[n], sum = was_set == 1 and 'r' or 'c', sum + 1 - was_set
    if was_set == 1 and failed > 0 then
      again.places[#again.places + 1], again.indices[#again.indices + 1] = n, done.indices[i]
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
  for i, was_set in ipairs(put_bits(key('members:' .. id), not_done.indices, '1')) do
    verdicts[not_done.places[i]] = was_set == 1 and 'r' or 'c'
    if was_set == 0 then
      fresh[#fresh + 1], failed = not_done.indices[i], failed + 1
      if failed <= MAX_FAILURES then
        redis.call('HSET', ends, not_done.indices[i], not_done.ends[i])
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
