-- Makes a page of jobs in one state: as many jobs as were requested, or as many as fit into one answer.
-- needs: start, payloads, show
-- gives: page, passed, is_above, is_before

-- `step`: how many records are read together. (An answer has at most MAX_BYTES of jobs, but always includes
-- its first job.)
local step = 20

-- How many of the jobs fit into one answer. `lean`: '' if the answer has large payloads, which then count.
local function fitting(state, ids, lean)
  local left, rest = MAX_BYTES, {}
  for _, name in ipairs(state == 'completed' and { 'errors', 'results' } or { 'errors' }) do
    rest[#rest + 1] = redis.call('EXISTS', key(name)) == 1 and key(name) or nil
  end
  for from = 1, #ids, step do
    local some = { unpack(ids, from, math.min(from + step - 1, #ids)) }
    for i, record in ipairs(redis.call('HMGET', key('jobs'), unpack(some))) do
      left = left - (record and lean ~= '' and payloads().payload_at(record) or payloads().bytes_of(record))
      for _, name in ipairs(rest) do
        left = left - redis.call('HSTRLEN', name, some[i])
      end
      if left < 0 and from + i > 2 then
        return from + i - 2
      end
    end
  end
  return #ids
end

-- How many records are read together for a prefilter.
local sift = 100

local find = string.find

local function has_all(text, all)
  for i = 1, #all do
    if not find(text, all[i], 1, true) then
      return false
    end
  end
  return true
end

-- Returns the indices of the jobs that pass a prefilter (`page-query.ts`), and how many jobs it has looked
-- at. The function stops when it has read more than `MAX_BYTES` of payloads that are stored separately.
local function sifted(ids, prefilter)
  local prefix, texts, inside, picked, left = '', {}, {}, {}, MAX_BYTES
  for kind, text in string.gmatch(prefilter, '\30(%a)([^\30]*)') do
    if kind == 'i' then
      prefix = text
    else
      local list = kind == 'p' and inside or texts
      list[#list + 1] = text
    end
  end
  local reads = #texts + #inside > 0
  -- The payload of most jobs does not contain this text. Two searches in the record show whether the payload
  -- can contain the text: one for the text, and one for the mark of a payload that is stored separately.
  local rare = inside[1] or ''
  local function is_picked(id, record)
    if not has_all(record, texts) then
      return false
    end
    local payload = rare ~= '' and payloads().payloads_of({ id }, { record })[1]
    left = left - (payload and #payload or 0)
    return has_all(payload or record, inside)
  end
  for from = 1, #ids, sift do
    local to = math.min(from + sift - 1, #ids)
    local some, places = {}, {}
    for i = from, to do
      if prefix == '' or string.sub(ids[i], 1, #prefix) == prefix then
        some[#some + 1], places[#places + 1] = ids[i], i
      end
    end
    local records = reads and #some > 0 and redis.call('HMGET', key('jobs'), unpack(some)) or {}
    for n = 1, #some do
      local record = records[n]
      local may = not reads or record and (find(record, rare, 1, true) or find(record, '\29', 1, true))
      if may and (not reads or is_picked(some[n], record)) then
        picked[#picked + 1] = places[n]
      end
      if left < 0 then
        return picked, places[n]
      end
    end
  end
  return picked, #ids
end

local function keys_of(ids)
  local keys = {}
  for from = 1, #ids, step do
    for _, record in ipairs(redis.call('HMGET', key('jobs'), unpack(ids, from, math.min(from + step - 1, #ids)))) do
      keys[#keys + 1] = record and string.match(record, '^[^|]*|([^|]*)') or false
    end
  end
  return keys
end

-- Whether the line of one priority is shown before the line of another. The jobs in lanes, `@`, count as the
-- last line.
local function is_above(priority, other)
  if priority == '@' or other == '@' then
    return priority ~= '@'
  end
  return (tonumber(priority) or 0) > (tonumber(other) or 0)
end

-- Whether an id comes before another id in a sorted set. (The operator `<` of Lua depends on the locale of
-- the server, so it cannot be used.)
local function is_before(id, other)
  for i = 1, math.min(#id, #other) do
    local one, two = string.byte(id, i), string.byte(other, i)
    if one ~= two then
      return one < two
    end
  end
  return #id < #other
end

-- How many entries of a sorted set come before the place of an entry with this score and id, even if the set
-- does not have this entry. `through`: whether to count this entry, too.
local function passed(name, score, id, through)
  local low, high = redis.call('ZCOUNT', name, '-inf', '(' .. score), redis.call('ZCOUNT', name, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = redis.call('ZRANGE', name, middle, middle)[1]
    if is_before(other, id) or through and other == id then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- Makes the page of the jobs that pass a prefilter. The fourth value of the page says how far it has come:
-- how many jobs were looked at, the id of the last of these jobs, and when this job ended.
local function sifted_page(state, all, times, mark, lean, marked, picked, looked)
  local ids, places, marks = {}, {}, {}
  for n, i in ipairs(picked) do
    ids[n], places[n] = all[i], times[i]
  end
  local count = fitting(state, ids, lean)
  local last = count < #picked and picked[count] or looked
  for n = 1, marked ~= '' and count - 1 or 0 do
    marks[n] = mark(picked[n])
  end
  local is_ended = state == 'completed' or state == 'failed' or state == 'cancelled'
  local passed = { last, all[last] or '', is_ended and times[last] or '' }
  local shown = show(state, { unpack(ids, 1, count) }, { unpack(places, 1, count) }, nil, lean ~= '')
  return { shown, mark(last), marks, passed }
end

-- Makes a page. `wanted`: the number of jobs, with letters in front: `h` for only ids and keys, `l` to leave
-- out large payloads, `m` for a cursor after each job. A prefilter may follow the number. `read`: a function
-- that gets a number of jobs, and returns the ids of the next jobs, their places, and a function that makes
-- the cursor after the nth of these jobs. Returns { the jobs in the form of show.lua, or with `h` their
-- state, ids and keys, and for active jobs `token|claimed at`; the cursor after the last job; with `m`, the
-- cursors after the other jobs }.
local function page(state, wanted, read)
  local heads, lean, marked, limit, prefilter = string.match(wanted, '^(h?)(l?)(m?)(%d+)(.*)$')
  local ids, places, mark = read(tonumber(limit))
  if prefilter ~= '' then
    return sifted_page(state, ids, places, mark, lean, marked, sifted(ids, prefilter))
  end
  local count = heads ~= '' and #ids or fitting(state, ids, lean)
  local marks = {}
  for n = 1, marked ~= '' and count - 1 or 0 do
    marks[n] = mark(n)
  end
  if heads ~= '' then
    return { { state, ids, keys_of(ids), state == 'active' and places or nil }, mark(count), marks }
  end
  local shown = show(state, { unpack(ids, 1, count) }, { unpack(places, 1, count) }, nil, lean ~= '')
  return { shown, mark(count), marks }
end
