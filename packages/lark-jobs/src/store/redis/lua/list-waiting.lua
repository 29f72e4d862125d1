-- list-waiting: a page of the waiting jobs, in the order in which they would run; jobs of groups last, by place.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock, or '' for the server's
-- ARGV[2]  how many (shared/page.lua)
-- ARGV[3]  priority of the line to continue in, or 'first'
-- ARGV[4]  how many of that line's due jobs were shown or skipped
-- ARGV[5]  how many entries of its list were shown or skipped
-- Returns  { as in shared/page.lua; where to continue: priority, due jobs, list; nothing if there are no more }
-- Cost     O(n + log m) for n jobs, and the search for a node of the list
-- needs: start, line, page

-- Jobs of groups come after all others, by place, because their future turns are not known.
local GROUPS = '@'
local all = lines()
all[#all + 1] = GROUPS

local first = ARGV[3]
local passed_due, passed_list = tonumber(ARGV[4]), tonumber(ARGV[5])
-- `marks`: the position of each job.
local ids, places, marks, cursor = {}, {}, {}, {}

local function read(priority, i, j, limit)
  local wanted = limit - #ids
  local list, due = line('line', priority), priority == GROUPS and key('laned') or line('due', priority)
  local early = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', i, wanted, 'WITHSCORES')
  local heads = redis.call('LRANGE', list, j, j + wanted - 1)
  local voids, records = {}, {}
  if #heads > 0 then
    voids = redis.call('SMISMEMBER', line('void', priority), unpack(heads))
    records = redis.call('HMGET', key('jobs'), unpack(heads))
  end
  local e, h = 1, 1
  while #ids < limit and (early[e] or heads[h]) do
    local head = heads[h]
    if not head and #heads == wanted then
      -- Some entries were void: the next page reads more of the list before a due job may pass it.
      break
    end
    local place = head and queued(head, records[h])
    if head and voids[h] == 1 then
      h = h + 1
    elseif early[e] and (not head or tonumber(early[e + 1]) < place
      or (tonumber(early[e + 1]) == place and early[e] < head)) then
      ids[#ids + 1], places[#places + 1] = early[e], early[e + 1]
      e = e + 2
    else
      ids[#ids + 1], places[#places + 1] = head, place
      h = h + 1
    end
    marks[#ids] = { priority, tostring(i + (e - 1) / 2), tostring(j + h - 1) }
  end
  return i + (e - 1) / 2, j + h - 1, #early == 2 * wanted or #heads == wanted
end

return page('waiting', ARGV[2], function(limit)
  for _, priority in ipairs(all) do
    if #ids < limit and (first == 'first' or first == priority) then
      local is_here = first == priority
      local i, j, more = read(priority, is_here and passed_due or 0, is_here and passed_list or 0, limit)
      first = 'first'
      -- Void entries may make a page short before its line ends.
      if #ids == limit or more then
        cursor = { priority, tostring(i), tostring(j) }
        break
      end
    end
  end
  return ids, places, function(n)
    return n < #ids and marks[n] or cursor
  end
end)
