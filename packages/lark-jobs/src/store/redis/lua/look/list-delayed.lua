-- list-delayed: returns a page of the delayed jobs, in the order of their due times. Of jobs with the same
-- due time, the job with the higher priority comes first.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the number of jobs (page.lua)
-- ARGV[3]  when the last job of the previous page is due, or ''
-- ARGV[4]  the priority of that job
-- ARGV[5]  the id of that job
-- Returns  { a page in the form of page.lua; the due time, the priority and the id of the last job, or
--          nothing if there are no more jobs }
-- Cost     O(p (n + log m)) for n jobs, p priorities in use, and m delayed jobs
-- needs: start, line, page

local due_at, priority_at, id_at = ARGV[3], ARGV[4], ARGV[5]

-- All jobs in lanes together count as one more line.
local GROUPS = '@'

return page('delayed', ARGV[2], function(limit)
  local found = {}
  local all = lines()
  all[#all + 1] = GROUPS
  for order, priority in ipairs(all) do
    local due = priority == GROUPS and key('laned') or line('due', priority)
    local start = redis.call('ZCOUNT', due, '-inf', now)
    if due_at ~= '' then
      -- Some jobs have the same due time as the cursor. Such jobs were shown on earlier pages if their line
      -- comes before the cursor's line, and come on later pages if their line comes after it.
      local shown
      if priority == priority_at then
        shown = passed(due, due_at, id_at, true)
      else
        shown = redis.call('ZCOUNT', due, '-inf', is_above(priority, priority_at) and due_at or '(' .. due_at)
      end
      start = math.max(start, shown)
    end
    local part = redis.call('ZRANGE', due, start, start + limit - 1, 'WITHSCORES')
    for i = 1, #part, 2 do
      found[#found + 1] = { id = part[i], place = part[i + 1], priority = priority, order = order, rank = i }
    end
  end
  table.sort(found, function(a, b)
    if a.place ~= b.place then
      return tonumber(a.place) < tonumber(b.place)
    elseif a.order ~= b.order then
      return a.order < b.order
    end
    return a.rank < b.rank
  end)

  local ids, places = {}, {}
  for i = 1, math.min(limit, #found) do
    ids[i], places[i] = found[i].id, found[i].place
  end
  return ids, places, function(n)
    local last = (n < #ids or n == limit) and found[n]
    return last and { last.place, last.priority, last.id } or {}
  end
end)
