-- list-waiting: returns a page of the waiting jobs, in the order in which they would run. Jobs in lanes come
-- last, in the order of their places.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the number of jobs (page.lua)
-- ARGV[3]  the priority of the line in which to continue, or 'first'
-- ARGV[4]  the place of the last job of the line's `due` half that was shown, or ''
-- ARGV[5]  the id of that job
-- ARGV[6]  how many entries of the line's list were shown or skipped
-- ARGV[7]  the id of the last of these entries, or ''
-- Returns  { a page in the form of page.lua; where the next page continues: the five values from ARGV[3] on,
--          or nothing if there are no more jobs }
-- Cost     O(n + log m) for n jobs. In addition, Redis walks over the line's list to the entry where the page
--          begins
-- needs: start, line, page

-- Jobs in lanes come after all other jobs, in the order of their places, because their future turns are not
-- known.
local GROUPS = '@'
local all = lines()
all[#all + 1] = GROUPS

local first = ARGV[3]
-- `parts`: for each job of the page, the part of a line that was read. `early_at`, `head_at`: how many
-- entries of the part's two halves come before the next job.
local ids, places, parts, early_at, head_at, cursor = {}, {}, {}, {}, {}, {}

-- How many entries at the head of a list were shown or skipped on earlier pages. Entries leave a list only at
-- its head. So if the last of these entries is gone, all entries before it are gone, too.
local function passed_of(list, count, last)
  if last == '' or redis.call('LRANGE', list, count - 1, count - 1)[1] == last then
    return tonumber(count)
  end
  return (redis.call('LPOS', list, last, 'MAXLEN', count) or -1) + 1
end

local function cursor_in(part, e, h)
  local early, heads = part.early, part.heads
  local place_at, id_at = early[2 * e] or part.place_at, early[2 * e - 1] or part.id_at
  return { part.priority, place_at, id_at, tostring(part.passed + h), heads[h] or part.last }
end

local function read(priority, place_at, id_at, count, last, limit)
  local wanted = limit - #ids
  local list, due = line('line', priority), priority == GROUPS and key('laned') or line('due', priority)
  local i, j = place_at == '' and 0 or passed(due, place_at, id_at, true), passed_of(list, count, last)
  local early = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', i, wanted, 'WITHSCORES')
  local heads = redis.call('LRANGE', list, j, j + wanted - 1)
  local voids, records = {}, {}
  if #heads > 0 then
    voids = redis.call('SMISMEMBER', line('void', priority), unpack(heads))
    records = #early > 0 and redis.call('HMGET', key('jobs'), unpack(heads)) or {}
  end
  local part = { priority = priority, early = early, heads = heads, passed = j }
  part.place_at, part.id_at, part.last = place_at, id_at, last
  local e, h, n = 0, 0, #ids
  while n < limit and (early[2 * e + 1] or heads[h + 1]) do
    local head, due_id, due_at = heads[h + 1], early[2 * e + 1], early[2 * e + 2]
    if not head and #heads == wanted then
      -- This call has used all entries that it has read from the list, because some were void, but the list
      -- has more. The next entry may go before the next job of the `due` half, so the next page must read it
      -- first.
      break
    end
    -- The place of a job in the list is the time at which it was queued. This time is computed only to
    -- compare the job with a job of the `due` half.
    local place = head and due_id and queued(head, records[h + 1])
    if head and voids[h + 1] == 1 then
      h = h + 1
    else
      n = n + 1
      if due_id and (not head or tonumber(due_at) < place or (tonumber(due_at) == place and due_id < head)) then
        ids[n], places[n], e = due_id, due_at, e + 1
      else
        ids[n], places[n], h = head, false, h + 1
      end
      parts[n], early_at[n], head_at[n] = part, e, h
    end
  end
  return cursor_in(part, e, h), #early == 2 * wanted or #heads == wanted
end

return page('waiting', ARGV[2], function(limit)
  for _, priority in ipairs(all) do
    local is_here = first == priority
    if #ids < limit and (first == 'first' or is_here or is_above(first, priority)) then
      local at, more
      if is_here then
        at, more = read(priority, ARGV[4], ARGV[5], ARGV[6], ARGV[7], limit)
      else
        at, more = read(priority, '', '', '0', '', limit)
      end
      -- Because of void entries, this page may have fewer jobs than were requested although the line has more
      -- jobs. The next page continues in this line.
      if #ids == limit or more then
        cursor = at
        break
      end
    end
  end
  return ids, places, function(n)
    return n < #ids and n > 0 and cursor_in(parts[n], early_at[n], head_at[n]) or cursor
  end
end)
