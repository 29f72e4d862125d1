-- A page of jobs in one state: as many as were asked for, or as fit into one answer.
-- needs: start, payloads, show
-- gives: page

-- The most bytes of jobs in one answer. The first job is included whatever its size.
local MAX_BYTES = 1048576
-- How many records are read together. Records of an earlier layout contain their payloads.
local step = 20

-- How many of the jobs fit into one answer.
local function fitting(state, ids)
  local left, rest = MAX_BYTES, {}
  for _, name in ipairs(state == 'completed' and { 'errors', 'results' } or { 'errors' }) do
    rest[#rest + 1] = redis.call('EXISTS', key(name)) == 1 and key(name) or nil
  end
  for from = 1, #ids, step do
    local some = { unpack(ids, from, math.min(from + step - 1, #ids)) }
    for i, record in ipairs(redis.call('HMGET', key('jobs'), unpack(some))) do
      left = left - payloads().bytes_of(record)
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

-- `wanted`: how many jobs, with an `h` in front if only ids and keys are needed. `read`: a function of a number that
-- returns as many ids, their places, and a function that makes the cursor after the nth. Returns { the jobs as in
-- show.lua, or their state, ids and keys; the cursor }.
local function page(state, wanted, read)
  local heads, limit = string.match(wanted, '^(h?)(%d+)$')
  local ids, places, mark = read(tonumber(limit))
  if heads ~= '' then
    return { { state, ids, keys_of(ids) }, mark(#ids) }
  end
  local count = fitting(state, ids)
  return { show(state, { unpack(ids, 1, count) }, { unpack(places, 1, count) }), mark(count) }
end
