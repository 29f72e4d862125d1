-- record: adds entries to the journals of running jobs, and hands out the signals that the jobs request. The
-- leases of the jobs are not changed.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2…] for each job: its id; its token; the number of entries; the head: the index of the first entry and
--          further notes (recording.lua); the entries
-- Returns  '' if there is nothing to report, or { the ids of the jobs whose lease is lost; the requested
--          signals: an id, a list of names and texts, another id, and so on; the journals that lack entries:
--          an id, the number of entries that it has, and so on }
-- Cost     O(n) for n jobs and their entries
-- needs: start, holder, beginnings, recordings

local ids, at = {}, 2
while ARGV[at] do
  ids[#ids + 1], at = ARGV[at], at + 4 + ARGV[at + 2]
end
-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', key('leases'), '')

local holders = redis.call('HMGET', key('holders'), unpack(ids))
-- The table for the answer is made only when there is something to report. Usually there is nothing, and a
-- table takes time.
local answer
local function say(place, value, more)
  answer = answer or { {}, {}, {} }
  local list = answer[place]
  list[#list + 1], list[#list + 2] = value, more
end

-- Adds the entries ARGV[from] to ARGV[to] to the journal of a job. The first of these entries gets the index
-- `first`.
local function add(id, first, from, to)
  local name, bytes = key('steps:' .. id), 0
  -- Usually the job already has a journal, so this one command adds the entries.
  local length = redis.call('RPUSHX', name, unpack(ARGV, from, to)) - (to - from + 2)
  if length < 0 then
    recordings().open_journal(id)
    length = redis.call('RPUSH', name, unpack(ARGV, from, to)) - (to - from + 2)
  end
  if length ~= first then
    -- The first entry did not get the index `first`, because some of the entries exist already, or because
    -- entries before them are missing. So the entries that were just added are removed again.
    redis.call('LTRIM', name, 0, from - to - 2)
    if not recordings().keep_entries(id, first, { unpack(ARGV, from, to) }) then
      say(3, { id, length })
    end
    return
  end
  for n = from, to do
    bytes = bytes + #ARGV[n]
  end
  recordings().add_bytes(id, bytes)
end

at = 2
for i, id in ipairs(ids) do
  local token, count, head, holder = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], holders[i]
  -- The holder field of most started jobs is exactly this text, and most heads are only an index. So most of
  -- them need no parsing.
  local has_started, first = holder == token .. '|', tonumber(head)
  if has_started or is_held(holder, token) then
    if not has_started then
      beginnings().note_beginning(id, holder, token, '')
    end
    if count > 0 then
      add(id, first or tonumber(string.match(head, '^%d+')), at + 4, at + 3 + count)
    end
    local signals = not first and recordings().take_rest(id, head)
    if signals then
      say(2, id, signals)
    end
  else
    say(1, id)
  end
  at = at + 4 + count
end
return answer or ''
