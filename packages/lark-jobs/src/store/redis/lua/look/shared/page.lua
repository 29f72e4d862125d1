-- Makes a page of jobs in one state: as many jobs as were requested, or as many as fit into one answer.
-- needs: start, payloads, show
-- gives: page, passed, is_above, is_before

-- `step`: how many records are read together. (An answer has at most MAX_BYTES of jobs, but always includes
-- its first job.)
local step = 20

-- How many of the jobs fit into one answer. `lean`: '' if payloads count.
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

local function keys_of(ids)
  local keys = {}
  for from = 1, #ids, step do
    for _, record in ipairs(redis.call('HMGET', key('jobs'), unpack(ids, from, math.min(from + step - 1, #ids)))) do
      keys[#keys + 1] = record and string.match(record, '^[^|]*|([^|]*)') or false
    end
  end
  return keys
end

-- Whether the line of a priority is served before another line. The jobs of groups, `@`, count as the last
-- line.
local function is_above(priority, other)
  if priority == '@' or other == '@' then
    return priority ~= '@'
  end
  return (tonumber(priority) or 0) > (tonumber(other) or 0)
end

-- Whether an id is before another in a sorted set. (The operator `<` of Lua depends on the locale of the
-- server.)
local function is_before(id, other)
  for i = 1, math.min(#id, #other) do
    local one, two = string.byte(id, i), string.byte(other, i)
    if one ~= two then
      return one < two
    end
  end
  return #id < #other
end

-- How many entries of a sorted set are before a score and an id. The set need not have an entry with that id.
-- `through`: also counts the entry with that score and id.
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

-- `wanted`: how many jobs, with letters in front: `h` if only ids and keys are needed, `l` if large payloads
-- are not needed, `m` if the cursor after each job is needed. `read`: a function that gets a number of jobs,
-- and returns their ids, their places, and a function that makes the cursor after the nth job. Returns { the
-- jobs in the form of show.lua, or for `h` their state, ids and keys, and `token|claimed at` for active jobs;
-- the cursor after the last job; the cursors after the other jobs }.
local function page(state, wanted, read)
  local heads, lean, marked, limit = string.match(wanted, '^(h?)(l?)(m?)(%d+)$')
  local ids, places, mark = read(tonumber(limit))
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
