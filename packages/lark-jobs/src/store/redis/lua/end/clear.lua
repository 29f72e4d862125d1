-- clear: removes jobs of one state, at most 1,000, and fewer if there are large jobs.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  the state of the jobs, which must not be active; or `hidden`: jobs that were removed, but are kept
--          because of their effects
-- Returns  how many jobs were removed, as a negative number if there may be more (removed.lua)
-- Cost     O(n + log m) for n removed jobs of m, and a little for each void entry; O(m) for hidden jobs, if m
--          jobs have effects
-- needs: start, numbered, calls, line, place, lanes, end, removed, erase, retain, effects, event, rouse

local answer = recalled()
if answer then
  return tonumber(answer)
end

local state, most = ARGV[2], most_removed()
local left = most

-- Ends and removes jobs that have not ended. The caller has taken these jobs out of their lines.
local function end_removed(ids)
  end_as('cancelled', ids, 0, 'removed')
end

-- Takes jobs that have not ended out of their lanes, and removes these jobs.
local function end_laned(ids)
  for _, id in ipairs(ids) do
    local _, priority = queued(id, redis.call('HGET', key('jobs'), id))
    leave(id, priority)
  end
  end_removed(ids)
end

-- Takes the ids with scores from `from` to `to` out of a sorted set. `remove`: a function that removes the
-- jobs with these ids.
local function clear_set(name, from, to, remove)
  local ids = left > 0 and redis.call('ZRANGE', name, from, to, 'BYSCORE', 'LIMIT', 0, left) or {}
  if #ids > 0 then
    redis.call('ZREM', name, unpack(ids))
    remove(ids)
    left = left - #ids
  end
end

local function clear_list(priority)
  local list, void = line('line', priority), line('void', priority)
  -- The loop ends because each round removes entries from the list.
  while left > 0 do
    local ids = redis.call('LPOP', list, left)
    if not ids then
      return
    end
    local live, dead = {}, {}
    for i, is_void in ipairs(redis.call('SMISMEMBER', void, unpack(ids))) do
      local into = is_void == 1 and dead or live
      into[#into + 1] = ids[i]
    end
    if #dead > 0 then
      redis.call('SREM', void, unpack(dead))
    end
    end_removed(live)
    left = left - #live
  end
end

local function clear_hidden()
  local cursor, found = '0', nil
  for _ = 0, redis.call('HLEN', key('ended')) do
    cursor, found = unpack(redis.call('HSCAN', key('ended'), cursor, 'COUNT', MAX_ITEMS))
    for i = 1, #found, 2 do
      local is_hidden = string.find(found[i + 1], '~', 1, true) and string.sub(found[i + 1], 1, 7) ~= 'moving|'
      if left > 0 and is_hidden and string.sub(found[i], 1, 5) ~= 'void:' then
        forget_traces(found[i])
        effects().purge(found[i])
        left = left - 1
      end
    end
    if cursor == '0' or left == 0 then
      return
    end
  end
end

if state == 'waiting' then
  for _, priority in ipairs(lines()) do
    clear_set(line('due', priority), '-inf', now, end_removed)
    clear_list(priority)
  end
  clear_set(key('laned'), '-inf', now, end_laned)
elseif state == 'delayed' then
  for _, priority in ipairs(lines()) do
    clear_set(line('due', priority), '(' .. now, '+inf', end_removed)
  end
  clear_set(key('laned'), '(' .. now, '+inf', end_laned)
elseif state == 'hidden' then
  clear_hidden()
elseif state ~= 'blocked' then
  local function forget_all(ids)
    forget_of(state, ids)
    tell('removed', ids)
  end
  clear_set(key(state), '-inf', '+inf', forget_all)
  clear_set(key('kept:' .. state), '-inf', '+inf', function(ids)
    redis.call('ZREM', key('kept'), unpack(ids))
    forget_all(ids)
  end)
end
if made.lanes then
  lanes().reposition_all()
end
rouse(0)
local count = removed(most - left, most)
if count ~= 0 then
  remember(count)
end
return count
