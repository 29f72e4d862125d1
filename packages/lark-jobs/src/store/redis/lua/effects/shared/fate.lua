-- The fates of jobs, for flow-fates.lua and watch.lua.
-- needs: start, payloads, show, ended
-- gives: fates_of, progress_of, births_of

local ended_states = ENDED_STATES

-- Returns four values: a text with a letter for each id, which is p(resent), e(nded), u(nknown), or c(ut) if
-- the job has ended but its end does not fit into the answer; for each state, the ended jobs in the form of
-- show.lua, without payloads; how many bytes of room are left; and the records of all jobs.
local function fates_of(ids)
  local records, ends = redis.call('HMGET', key('jobs'), unpack(ids)), redis.call('HMGET', key('ended'), unpack(ids))
  local fates, groups, shown, left, texts = {}, {}, {}, MAX_BYTES, {}
  for _, state in ipairs(ended_states) do
    groups[state] = { ids = {}, ends = {}, records = {}, scores = ends_of(state, ids) }
  end
  for _, name in ipairs({ 'errors', 'results' }) do
    texts[#texts + 1] = redis.call('EXISTS', key(name)) == 1 and name or nil
  end
  for i, id in ipairs(ids) do
    -- A hidden job is not in the set of its state, so its end is read from `ended`.
    local state, at = string.match(ends[i] or '', '^(%a+)|(%d+)|~')
    -- A job that has arrived in another partition is unknown in this partition. A job that is still moving
    -- counts as present.
    local is_there, is_moving = records[i] and state ~= 'moved', state == 'moving'
    state = state ~= 'moved' and not is_moving and state or nil
    for _, each in ipairs((state or is_moving or not is_there) and {} or ended_states) do
      if groups[each].scores[i] then
        state, at = each, groups[each].scores[i]
      end
    end
    local is_ended, size = is_there and state, 0
    for _, name in ipairs(is_ended and texts or {}) do
      size = size + redis.call('HSTRLEN', key(name), id)
    end
    fates[i] = not is_there and 'u' or not state and 'p' or left < MAX_BYTES and left < size and 'c' or 'e'
    if fates[i] == 'e' then
      local group, n = groups[state], #groups[state].ids + 1
      left = left - size
      group.ids[n], group.ends[n], group.records[n] = id, at, payloads().bare(records[i])
    end
  end
  for _, state in ipairs(ended_states) do
    shown[#shown + 1] = show(state, groups[state].ids, groups[state].ends, groups[state].records)
  end
  return table.concat(fates), shown, left, records
end

-- Returns for each record its option `born`, which distinguishes jobs that had the same id one after the
-- other; false for a record without this option.
local function births_of(records)
  local births = {}
  for i, record in ipairs(records) do
    local at = string.find(record, '"born":"', 1, true)
    births[i] = at and at < string.find(record, '|', 1, true) and string.match(record, '^%w+', at + 8) or false
  end
  return births
end

-- Returns the progress of jobs until `room` bytes are full. The progress of a few jobs is read at a time,
-- because each progress may have 4 KiB.
local function progress_of(ids, room)
  local found = {}
  local last = redis.call('EXISTS', key('progress')) == 1 and #ids or 0
  for from = 1, last, 100 do
    local to = math.min(from + 99, last)
    for i, progress in ipairs(room > 0 and redis.call('HMGET', key('progress'), unpack(ids, from, to)) or {}) do
      room = room - (progress and #progress or 0)
      found[from + i - 1] = progress
    end
  end
  return found
end
