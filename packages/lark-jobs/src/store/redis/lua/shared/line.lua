-- A line holds the jobs of one priority, in order of place; priority 0 is written ''. It has two halves:
--   line   LIST  jobs that were due when they were queued, in the order in which they were queued
--   due    ZSET  id -> place: jobs that were delayed, retried, released or put back. They are not moved
--                to the list when they are due: a claim merges the two halves
--   void   SET   entries of the list that no longer count, because the job was cancelled, removed or
--                rescheduled. Removing them from the list would cost its length. An id is in a list at most
--                once
-- `priorities` has the lines other than 0. A job of a group is not in a line but in a lane (lane.lua). As its
-- priority, functions take and return `5@lane`, or `@lane`.
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

-- Whether new jobs of a priority other than 0 may be queued; then their line is open. At most 255 such lines
-- are in use: each has jobs, or had some at the last claim. The function searches for empty lines only at
-- this bound, and once in a call. (A job that returns to its line always opens the line.)
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

-- When an id was made, from its first seven letters (`id.ts`); 0 if they do not encode a time.
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

-- When and at which priority a job was queued. A record may be missing if the server evicts keys: a claim
-- skips such jobs.
local function queued(id, record)
  local after, priority, lane = string.match(record or '0', '^(-?%d+),?(-?%d*)(@?[^,|~]*)')
  if lane and string.sub(lane, 1, 1) == '@' then
    priority = priority .. lane
  end
  -- A damaged record counts as queued at the time of its id, at priority 0.
  return made_at(id) + (tonumber(after) or 0), priority ~= '-' and priority or ''
end
