-- Counts the ends of members at their flows, and keeps the ends of nodes.
-- module: counting
-- needs: start
-- gives: count_ends, runs_of

-- The maximum number of bits that one number of a BITFIELD command sets. Lua represents whole numbers exactly
-- only up to 2^53.
local longest = 48

-- Sets or clears the bits of members. Returns for each member whether its bit was set before.
local function put_bits(bits, indices, value)
  local words = {}
  for i, index in ipairs(indices) do
    local n = 4 * i
    words[n - 3], words[n - 2], words[n - 1], words[n] = 'SET', 'u1', index, value
  end
  return #indices > 0 and redis.call('BITFIELD', bits, unpack(words)) or {}
end

-- Parses a text with ranges of indices (`runs`), separated by `,`. A range is the first and the last index,
-- joined by `-`, or a single index.
local function runs_of(text)
  local runs = {}
  for first, last in string.gmatch(text, '(%d+)%-?(%d*)') do
    runs[#runs + 1], runs[#runs + 2] = tonumber(first), tonumber(last) or tonumber(first)
  end
  return runs
end

-- Sets the bits of ranges of members. The members of a claim mostly have consecutive indices, so many bits
-- take one command. `runs`: the first and the last index of each range. Members from the index `reserved` on
-- are unknown, and get no bit. Returns the letters of apply.lua, one for each member, in a list of texts; how
-- many bits were not set before; and the members whose bits were set before. (An apply of 50 members took 100
-- µs with one command for each bit, and 60 µs with ranges. Measured on 2026-11-26, 2 cores, shared and busy.)
local function put_runs(bits, runs, reserved)
  local words, lengths, firsts, letters, unknown, count, repeated = {}, {}, {}, {}, {}, 0, {}
  for i = 1, #runs, 2 do
    local first, last = runs[i], runs[i + 1]
    local over = math.max(0, math.min(last, reserved - 1) + 1)
    for from = first, over - 1, longest do
      local length, n = math.min(longest, over - from), #words
      words[n + 1], words[n + 2], words[n + 3] = 'SET', 'u' .. length, from
      words[n + 4] = string.format('%.0f', 2 ^ length - 1)
      lengths[#lengths + 1], firsts[#firsts + 1] = length, from
    end
    if over <= last then
      unknown[#lengths] = (unknown[#lengths] or '') .. string.rep('u', last - math.max(over, first) + 1)
    end
  end
  letters[1] = unknown[0]
  for i, before in ipairs(#words > 0 and redis.call('BITFIELD', bits, unpack(words)) or {}) do
    local length = lengths[i]
    if before == 0 then
      letters[#letters + 1], count = string.rep('c', length), count + length
    else
      for bit = 1, length do
        local was_set = math.floor(before / 2 ^ (length - bit)) % 2 == 1
        letters[#letters + 1], count = was_set and 'r' or 'c', was_set and count or count + 1
        if was_set then
          repeated[#repeated + 1] = { index = string.format('%.0f', firsts[i] + bit - 1), letter = #letters }
        end
      end
    end
    letters[#letters + 1] = unknown[i]
  end
  return letters, count, repeated
end

-- Keeps the result of a node, unless all results of the flow together would have too many bytes.
local function keep_result(id, index, result)
  local flow, size = key('flow:' .. id), #result
  if redis.call('HINCRBY', flow, 'results', size) > MAX_RESULTS then
    redis.call('HINCRBY', flow, 'results', -size)
    result = RESULT_NOT_KEPT
  end
  redis.call('HSET', key('flow-results:' .. id), index, result)
end

-- Keeps the end of a node. `result`: `=` and the result of the node, or ''. Returns whether the end is news.
-- The field in `flow-ends` is written last. So if foreign data ends the script before this last write, the
-- end is still news when the effect is delivered again.
local function keep_node(id, index, ended, result)
  local ends = key('flow-ends:' .. id)
  local before = redis.call('HGET', ends, index)
  -- If the node has ended before, its new end counts only if the node has completed now, and had not
  -- completed before. This happens if somebody has retried the node by hand.
  if before and (string.sub(ended, 1, 1) ~= 'c' or string.sub(before, 1, 1) == 'c') then
    return false
  end
  if result ~= '' then
    keep_result(id, index, string.sub(result, 2))
  end
  redis.call('RPUSH', key('news:' .. id), index)
  redis.call('HSET', ends, index, ended)
  return true
end

-- Counts ends of nodes and members of the flow `id`. `completed`: the ranges of members that completed.
-- `list`, from `first` to `over`, has three values for each other end: the index; how the node or member
-- ended (flows.lua); and for a node `=` and its result, for a member the `queuedAt` of its job, or ''.
-- Returns the letters of apply.lua, one for each end, and whether the flow has become due.
local function count_ends(id, completed, list, first, over)
  local flow, ends, failures = key('flow:' .. id), key('flow-ends:' .. id), key('crowd-failed:' .. id)
  local cancels = key('crowd-cancelled:' .. id)
  local rev, lent, reserved, size, alarm, had_completed, had_failed, had_cancelled =
    unpack(redis.call('HMGET', flow, 'rev', 'lent', 'reserved', 'size', 'alarm', 'completed', 'failed', 'cancelled'))
  reserved, had_completed, had_failed = tonumber(reserved) or 0, tonumber(had_completed) or 0, tonumber(had_failed) or 0
  local verdicts, has_news, is_called = {}, false, false
  local not_done, former = { places = {}, indices = {}, ends = {}, starts = {} }, { places = {}, bits = {} }
  for i = first, over, 3 do
    local n, m, index = #verdicts + 1, #not_done.indices + 1, tonumber(list[i])
    verdicts[n] = 'u'
    if rev and index >= NODES then
      local is_news = keep_node(id, list[i], list[i + 1], list[i + 2])
      verdicts[n], has_news = is_news and 'c' or 'r', has_news or is_news
    elseif rev and index < reserved then
      not_done.places[m], not_done.indices[m], not_done.ends[m], not_done.starts[m] = n, list[i], list[i + 1], list[i + 2]
    end
  end

  if #not_done.indices > 0 or had_failed > 0 then
    -- These keys are read before anything is written. So foreign data in one of them ends the script before a
    -- bit is set but not counted.
    redis.call('STRLEN', failures)
    redis.call('STRLEN', cancels)
    local known = redis.call('HMGET', ends, '', unpack(not_done.indices))
    for i = #not_done.indices, 1, -1 do
      -- If the member was started again, `again` is the `queuedAt` of its last start. An end of an earlier
      -- start does not count.
      local again = tonumber(string.match(known[i + 1] or '', '^s(%d+)'))
      if again and (tonumber(not_done.starts[i]) or again) < again then
        local n = #former.bits
        former.bits[n + 1], former.bits[n + 2], former.bits[n + 3] = 'GET', 'u1', not_done.indices[i]
        former.places[#former.places + 1] = not_done.places[i]
        for _, values in pairs(not_done) do
          table.remove(values, i)
        end
      end
    end
  end
  local letters, count, repeated = put_runs(key('crowd:' .. id), completed, rev and reserved or 0)
  local sum, failed, again, gone, fresh = had_completed + count, had_failed, {}, {}, {}
  local cancelled, cancelled_now = tonumber(had_cancelled) or 0, {}
  for i, each in ipairs(failed > 0 and repeated or {}) do
    again[i] = each.index
  end
  -- The members in `again` have ended before. A member among them whose bit in `crowd-failed` is set had not
  -- completed, and completes now.
  for i, was_set in ipairs(put_bits(failures, again, '0')) do
    if was_set == 1 then
      letters[repeated[i].letter], sum, failed, is_called = 'c', sum + 1, failed - 1, true
      gone[#gone + 1] = again[i]
    end
  end
  if #gone > 0 then
    redis.call('HDEL', ends, unpack(gone))
    for _, was_set in ipairs(cancelled > 0 and put_bits(cancels, gone, '0') or {}) do
      cancelled = cancelled - was_set
    end
  end
  for i, was_set in ipairs(put_bits(key('crowd:' .. id), not_done.indices, '1')) do
    verdicts[not_done.places[i]] = was_set == 1 and 'r' or 'c'
    if was_set == 0 then
      fresh[#fresh + 1], failed = not_done.indices[i], failed + 1
      if string.sub(not_done.ends[i], 1, 1) == 'x' then
        cancelled_now[#cancelled_now + 1] = not_done.indices[i]
      end
      if failed <= MAX_FAILURES then
        redis.call('HSET', ends, not_done.indices[i], not_done.ends[i])
      end
    end
  end
  for i, is_set in ipairs(#former.bits > 0 and redis.call('BITFIELD', key('crowd:' .. id), unpack(former.bits)) or {}) do
    verdicts[former.places[i]] = is_set == 1 and 'r' or 'f'
  end
  put_bits(failures, fresh, '1')
  put_bits(cancels, cancelled_now, '1')
  cancelled = cancelled + #cancelled_now
  if cancelled ~= (tonumber(had_cancelled) or 0) then
    redis.call('HSET', flow, 'cancelled', cancelled)
  end

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
    -- A flow that is due already keeps its earlier due time.
    redis.call('ZADD', key('flows'), 'LT', string.format('%.0f', now), id)
  end
  return table.concat(letters) .. table.concat(verdicts), is_due
end
