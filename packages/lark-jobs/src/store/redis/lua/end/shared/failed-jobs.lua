-- The failed jobs of a queue whose configuration does not set their number. The bytes of these jobs are
-- limited, and some jobs are removed before others (`store/contract/rules/retention.ts`).
--   failed-sizes   HASH  id -> bytes of its payload and errors | when it failed | its kind
--   failed-kinds   ZSET  kind | when it failed | id: the newest jobs of each kind, which are removed last
--   failed-spares  ZSET id -> when it failed: the other jobs, which are removed first
--   failed-wholes  ZSET  id -> when it failed: the jobs that still have all of their errors
-- In `settings`: `failed-bytes`, the sum of all sizes; `dropped` and `dropped-at`, how many jobs were removed
-- before their age, and when this last happened. Jobs that failed under an older layout are in none of these
-- keys.
-- module: failed_jobs
-- needs: start, payloads
-- gives: note_failed, forget_failed, next_to_go

-- Parses a retention: how many failed jobs are kept, their age and their bytes, how many of them keep all of
-- their errors, and how many of each kind are removed last.
local function read_policy(kept)
  local count, age, bytes, whole, of_kind = string.match(kept, '^(%d+);(%d+);(%d+);(%d+);(%d+)$')
  return tonumber(count), tonumber(age), tonumber(bytes), tonumber(whole), tonumber(of_kind)
end

local function add_bytes(bytes)
  if bytes ~= 0 then
    redis.call('HINCRBY', key('settings'), 'failed-bytes', string.format('%.0f', bytes))
  end
end

local function entry(kind, at, id)
  return kind .. '|' .. string.format('%015.0f', at) .. '|' .. id
end

local function parse(size)
  local bytes, at, kind = string.match(size or '', '^(%d+)|(%d+)|(.*)$')
  return tonumber(bytes), tonumber(at), kind
end

-- Removes all errors of these jobs except the last error of each. The caller has taken the jobs out of
-- `failed-wholes`.
local function shorten(ids)
  local errors = redis.call('HMGET', key('errors'), unpack(ids))
  local freed = 0
  for i, size in ipairs(redis.call('HMGET', key('failed-sizes'), unpack(ids))) do
    local last = string.match(errors[i] or '', '[^\n]*$')
    local less = errors[i] and #errors[i] - #last or 0
    local bytes, at, kind = parse(size)
    if less > 0 then
      redis.call('HSET', key('errors'), ids[i], last)
    end
    if less > 0 and bytes then
      redis.call('HSET', key('failed-sizes'), ids[i], table.concat({ string.format('%.0f', math.max(bytes - less, 0)), string.format('%.0f', at), kind }, '|'))
      freed = freed + math.min(less, bytes)
    end
  end
  add_bytes(-freed)
end

-- Notes jobs that failed at the time `at`. `kinds`: the kinds of the jobs, by id. A job without a kind has a
-- kind that is made from its key.
local function note_failed(ids, at, kinds, kept)
  local _, _, _, whole, of_kind = read_policy(kept)
  local when, sum, sizes, wholes = string.format('%.0f', at), 0, {}, {}
  local errors = redis.call('HMGET', key('errors'), unpack(ids))
  for i, record in ipairs(redis.call('HMGET', key('jobs'), unpack(ids))) do
    local id = ids[i]
    local kind = kinds[id] or 'key ' .. string.gsub(string.match(record or '', '^[^|]*|([^|]*)') or '', '[|}]', ' ')
    local bytes = payloads().bytes_of(record) + #(errors[i] or '')
    sizes[#sizes + 1], sizes[#sizes + 2] = id, table.concat({ string.format('%.0f', bytes), when, kind }, '|')
    wholes[#wholes + 1], wholes[#wholes + 2] = when, id
    sum = sum + bytes
    redis.call('ZADD', key('failed-kinds'), 0, entry(kind, at, id))
    local excess = redis.call('ZLEXCOUNT', key('failed-kinds'), '[' .. kind .. '|', '(' .. kind .. '}') - of_kind
    local old = excess > 0 and redis.call('ZRANGE', key('failed-kinds'), '[' .. kind .. '|', '(' .. kind .. '}', 'BYLEX', 'LIMIT', 0, excess) or {}
    for _, name in ipairs(old) do
      local since, other = string.match(name, '^[^|]*|(%d+)|(.*)$')
      redis.call('ZREM', key('failed-kinds'), name)
      redis.call('ZADD', key('failed-spares'), tonumber(since), other)
    end
  end
  redis.call('HSET', key('failed-sizes'), unpack(sizes))
  redis.call('ZADD', key('failed-wholes'), unpack(wholes))
  add_bytes(sum)
  local excess = math.min(redis.call('ZCARD', key('failed-wholes')) - whole, MAX_ITEMS)
  if excess > 0 then
    local old = redis.call('ZRANGE', key('failed-wholes'), 0, excess - 1)
    redis.call('ZREM', key('failed-wholes'), unpack(old))
    shorten(old)
  end
end

-- Removes the notes about jobs that are no longer in the state failed. Returns the bytes of these jobs.
local function forget_failed(ids)
  if redis.call('EXISTS', key('failed-sizes')) == 0 then
    return 0
  end
  local names, sum = {}, 0
  for i, size in ipairs(redis.call('HMGET', key('failed-sizes'), unpack(ids))) do
    local bytes, at, kind = parse(size)
    if bytes then
      names[#names + 1] = entry(kind, at, ids[i])
      sum = sum + bytes
    end
  end
  if #names > 0 then
    redis.call('HDEL', key('failed-sizes'), unpack(ids))
    redis.call('ZREM', key('failed-kinds'), unpack(names))
    redis.call('ZREM', key('failed-spares'), unpack(ids))
    redis.call('ZREM', key('failed-wholes'), unpack(ids))
    add_bytes(-sum)
  end
  return sum
end

-- Returns at most `most` of the jobs in `failed-spares`, which are removed first. Forgets jobs that the
-- server has evicted from the set `failed`, and returns the bytes of these jobs, too.
local function spares_of(most)
  local ids, found, gone = redis.call('ZRANGE', key('failed-spares'), 0, most - 1), {}, {}
  for i, at in ipairs(#ids > 0 and redis.call('ZMSCORE', key('failed'), unpack(ids)) or {}) do
    local list = at and found or gone
    list[#list + 1] = ids[i]
  end
  return found, #gone > 0 and forget_failed(gone) or 0
end

-- Returns the failed jobs to remove because there are too many, at most 1,000, and counts them in `dropped`.
local function next_to_go(kept)
  local count, age, bytes = read_policy(kept)
  local excess = redis.call('ZCARD', key('failed')) - count
  local over = tonumber(redis.call('HGET', key('settings'), 'failed-bytes') or 0) - bytes
  if excess <= 0 and over <= 0 then
    return {}
  end
  local most = math.min(over > 0 and MAX_ITEMS or excess, MAX_ITEMS)
  local found, freed = spares_of(most)
  local is_known = {}
  over = over - freed
  for _, id in ipairs(found) do
    is_known[id] = true
  end
  for _, id in ipairs(#found < most and redis.call('ZRANGE', key('failed'), 0, most - 1) or {}) do
    found[#found + 1] = not is_known[id] and id or nil
  end
  local gone, early, sizes = {}, 0, redis.call('HMGET', key('failed-sizes'), unpack(found))
  for i, at in ipairs(redis.call('ZMSCORE', key('failed'), unpack(found))) do
    if #gone == MAX_ITEMS or excess <= 0 and over <= 0 then
      break
    end
    gone[#gone + 1] = found[i]
    excess = excess - 1
    over = over - (parse(sizes[i]) or 0)
    early = early + (tonumber(at) > now - age and 1 or 0)
  end
  if early > 0 then
    redis.call('HINCRBY', key('settings'), 'dropped', early)
    redis.call('HSET', key('settings'), 'dropped-at', string.format('%.0f', now))
  end
  return gone
end
