-- A line holds the pending jobs of one priority, in the order of their places; priority 0 is written ''. A
-- line has two halves, `line` and `due`:
--   line   LIST  jobs that were due when they were queued, in the order in which they were queued
--   due    ZSET  id -> place: jobs that were delayed, retried, released or put back. When such a job becomes
--                due, no call moves it to the list: a claim merges the two halves
--   void   SET   ids in the list that no longer count, because the job was cancelled, removed or rescheduled.
--                The id stays in the list, because its removal would take time in proportion to the length of
--                the list. An id is in a list at most once
-- `priorities` has all priorities other than 0 that have a line. A job with a group or a limiter is in a lane
-- and not in a line (lane.lua). For such a job, functions take and return `5@lane` as the priority, or
-- `@lane` for priority 0.
-- needs: start
-- gives: line, lines, open_line, may_open, made_at, queued
local function line(name, priority)
  if priority == '' then
    return key(name)
  end
  return key(name .. ':' .. priority)
end

-- The priorities of all lines, highest first.
local function lines()
  local all, zero = {}, false
  for _, priority in ipairs(redis.call('ZREVRANGE', key('priorities'), 0, -1)) do
    if not zero and tonumber(priority) < 0 then
      all[#all + 1], zero = '', true
    end
    all[#all + 1] = priority
  end
  if not zero then
    all[#all + 1] = ''
  end
  return all
end

local function open_line(priority)
  if priority ~= '' then
    redis.call('ZADD', key('priorities'), priority, priority)
  end
end

-- Whether new jobs of a priority other than 0 may be queued. If so, the function opens the line of this
-- priority. At most 255 such lines may be open. Only when all of them are open, and only once in a call, the
-- function closes lines without jobs. (A job that returns to its line always opens the line.)
local opened, have_looked = {}, false
local function may_open(priority)
  if redis.call('ZADD', key('priorities'), priority, priority) == 0
    or redis.call('ZCARD', key('priorities')) < MAX_LINES then
    opened[priority] = true
    return true
  end
  for _, other in ipairs(have_looked and {} or redis.call('ZRANGE', key('priorities'), 0, -1)) do
    local list, void = line('line', other), line('void', other)
    local is_empty = redis.call('LLEN', list) <= redis.call('SCARD', void) and redis.call('EXISTS', line('due', other)) == 0
    if is_empty and other ~= priority and not opened[other] then
      redis.call('ZREM', key('priorities'), other)
      redis.call('DEL', list, void)
    end
  end
  have_looked = true
  opened[priority] = redis.call('ZCARD', key('priorities')) < MAX_LINES
  if not opened[priority] then
    redis.call('ZREM', key('priorities'), priority)
  end
  return opened[priority]
end

-- When an id was made, according to its first seven characters (`id.ts`); 0 if these do not encode a time.
local function made_at(id)
  if not string.find(id, '^%w%w%w%w%w%w%w') then
    return 0
  end
  local at = 0
  for i = 1, 7 do
    local code = string.byte(id, i)
    at = at * 62 + (code > 96 and code - 61 or code > 64 and code - 55 or code - 48)
  end
  return at
end

-- Returns when and at which priority a job was queued. If the server evicts keys, `record` may be missing; a
-- claim leaves out a job without a record.
local function queued(id, record)
  local after, priority, lane = string.match(record or '0', '^(-?%d+),?(-?%d*)(@?[^,|~]*)')
  if lane and string.sub(lane, 1, 1) == '@' then
    priority = priority .. lane
  end
  -- A job with a damaged record counts as queued at the time in its id, at priority 0.
  return made_at(id) + (tonumber(after) or 0), priority ~= '-' and priority or ''
end
