-- Adds entries to journals (journal.lua).
-- module: recordings
-- needs: start, counters, journaled
-- gives: open_journal, entry_count, entry_bytes, add_bytes, keep_entries, signals_behind, take_rest, take_steps

-- The maximum number of arguments that are passed to Redis in one call.
local MOST = 1000

local function open_journal(id)
  if redis.call('EXISTS', key('steps:' .. id)) == 0 then
    redis.call('RPUSH', key('steps:' .. id), 0)
    journaled.is = redis.call('HINCRBY', key('settings'), 'journals', 1)
  end
end

-- How many entries the journal of a job has; 0 without a journal.
local function entry_count(id)
  return math.max(0, redis.call('LLEN', key('steps:' .. id)) - 1)
end

-- The bytes of the entries of a job; nothing if it has no journal.
local function entry_bytes(id)
  return tonumber(redis.call('LINDEX', key('steps:' .. id), 0))
end

-- Notes how many bytes were added to the entries of a journal.
local function add_bytes(id, bytes)
  redis.call('LSET', key('steps:' .. id), 0, (entry_bytes(id) or 0) + bytes)
end

-- Adds entries. The first entry has the index `at`; entries that the journal already has are left out. If the
-- journal would have a gap before the first entry, adds no entry and returns false.
local function keep_entries(id, at, entries)
  local name, bytes = key('steps:' .. id), 0
  local known = entry_count(id) - at
  if known < 0 then
    return false
  end
  open_journal(id)
  for from = known + 1, #entries, MOST do
    local till = math.min(from + MOST - 1, #entries)
    redis.call('RPUSH', name, unpack(entries, from, till))
    for i = from, till do
      bytes = bytes + #entries[i]
    end
  end
  if bytes > 0 then
    add_bytes(id, bytes)
  end
  return true
end

-- The names and texts of the signals of a job after the first `heard` ones.
local function signals_behind(id, heard)
  local found = {}
  for i, signal in ipairs(redis.call('LRANGE', key('signals:' .. id), heard, -1)) do
    local name, text = string.match(signal, '^([^\n]*)\n[^\31]*\31(.*)$')
    found[2 * i - 1], found[2 * i] = name or '', text or ''
  end
  return found
end

-- Reads the head of a report about entries, and does what the head says, except adding entries. The head has:
-- the index of the first entry; `!` if the job made progress; `+` if the job has steps to undo; `|`; and if
-- the run asks for further signals, the number of signals that the run knows. Returns the further signals, or
-- nothing.
local function take_rest(id, head)
  local progress, undos, heard = string.match(head, '^%d*(!?)(%+?)|(%d*)$')
  if undos ~= '' then
    open_journal(id)
    redis.call('HSET', key('undos'), id, '')
  end
  if progress ~= '' then
    local runs, _, _, releases = counted(id)
    count(id, runs, 0, 0, releases)
  end
  local signals = heard ~= '' and signals_behind(id, tonumber(heard)) or {}
  return #signals > 0 and signals or nil
end

-- Keeps the steps in the report of an ended run. The report begins with GS; the head (see `take_rest`); RS
-- and an entry, for each entry; and GS. Returns the rest of the report.
local function take_steps(id, report)
  local head, from = string.match(report, '^\29([^\29\30]*)()')
  local over = string.find(report, '\29', from, true)
  local entries = {}
  -- A plain search takes half the time of a search with a pattern.
  while from < over do
    local till = string.find(report, '\30', from + 1, true)
    till = till and till < over and till or over
    entries[#entries + 1] = string.sub(report, from + 1, till - 1)
    from = till
  end
  if #entries > 0 then
    keep_entries(id, tonumber(string.match(head, '^%d+')), entries)
  end
  take_rest(id, head)
  return string.sub(report, over + 1)
end
