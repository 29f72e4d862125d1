-- Journals (`store/contract/journals.ts`).
--   steps:<id>    LIST  the bytes of all entries, and then the entries. (When the bytes of each journal were
--                       in a hash of all journals, this hash took a third of the time of `record`, and 61 of
--                       the 596 bytes of a sleeping job; 2026-12-03)
--   signals:<id>  LIST  the name, a line break, the key or '', US, and the text
--   undos         HASH  id -> the text about the undos (`store/contract/rules/undoing.ts`)
--   rests         HASH  id -> how long the job was suspended (`store/contract/rules/suspended-time.ts`)
--   early         ZSET  id of a job that does not exist yet -> until when its journal and its signals are
--                       kept
-- `journals` in `settings` is the number of journals.
-- module: journals
-- needs: start, counters, suspended, recordings
-- gives: read_journal, read_claimed, rest, journal_bytes, carried, bring_journal

-- Returns { the number of all entries; their bytes; the entries from an index on, as many as fit }.
local function read_entries(id, from)
  local name, left = key('steps:' .. id), JOURNAL_BYTES
  local total = recordings().entry_count(id)
  local found = { total, recordings().entry_bytes(id) or 0 }
  -- A page has as many entries of average size as fit into the answer, at most 200.
  local at, page = from, math.min(200, math.ceil(JOURNAL_BYTES * total / math.max(1, found[2])))
  while at < total do
    for _, entry in ipairs(redis.call('LRANGE', name, at + 1, at + page)) do
      left = left - #entry
      if left < 0 and #found > 2 then
        return found
      end
      found[#found + 1] = entry
    end
    at = at + page
  end
  return found
end

-- How many milliseconds a job was suspended (`store/contract/rules/suspended-time.ts`); nothing if this time
-- is not counted for the job.
local function rested(id)
  local sum, since = string.match(redis.call('HGET', key('rests'), id) or '', '^(%d+)|?(%d*)$')
  return sum and tonumber(sum) + math.max(0, now - (tonumber(since) or now))
end

-- Notes that a job is suspended from now on, to measure the time of its suspension.
local function rest(id)
  redis.call('HSET', key('rests'), id, string.format('%.0f|%.0f', rested(id) or 0, now))
end

-- Returns { the result of `read_entries`; the signals, if `from` is 0; the text about the undos, or false;
-- how long the job was suspended, or nothing }.
local function read_journal(id, from)
  local undo = redis.call('HGET', key('undos'), id)
  return { read_entries(id, from), from == 0 and recordings().signals_behind(id, 0) or {}, undo, rested(id) }
end

-- Returns the index and the journal of each claimed job that has a journal; nothing if no claimed job has a
-- journal. If the suspension of a job is measured, its time ends now.
local function read_claimed(ids)
  local names, found = {}, {}
  for i, id in ipairs(ids) do
    names[i] = key('steps:' .. id)
  end
  -- Most jobs have no journal, so one command asks for all of them.
  if #ids == 0 or redis.call('EXISTS', unpack(names)) == 0 then
    return nil
  end
  for i, id in ipairs(ids) do
    if redis.call('EXISTS', names[i]) == 1 then
      local journal = read_journal(id, 0)
      found[#found + 1], found[#found + 2] = i, journal
      if journal[4] then
        redis.call('HSET', key('rests'), id, string.format('%.0f', journal[4]))
      end
    end
  end
  return found
end

-- The bytes of all entries and signals of a job; nothing if it has no journal.
local function journal_bytes(id)
  local bytes = recordings().entry_bytes(id)
  for _, signal in ipairs(bytes and redis.call('LRANGE', key('signals:' .. id), 0, -1) or {}) do
    bytes = bytes + #signal
  end
  return bytes
end

-- A complete journal as one text, for a job that is moved. Its parts are separated by FS: the signals for
-- which the job waits, or the mark of a job that is being undone, or nothing (`rules/reason.ts`); `|` and the
-- text about the undos, or nothing; how long the job was suspended, or nothing; the number of entries; the
-- entries; and the signals.
local function carried(id)
  local entries = redis.call('LRANGE', key('steps:' .. id), 1, -1)
  local undo = redis.call('HGET', key('undos'), id)
  local reason = redis.call('HGET', key('reasons'), id) or ''
  reason = (reason == '\27' or is_suspended(id, (counted(id)))) and reason or ''
  local texts = { reason, undo and '|' .. undo or '' }
  texts[3], texts[4] = redis.call('HGET', key('rests'), id) or '', #entries
  for _, list in ipairs({ entries, redis.call('LRANGE', key('signals:' .. id), 0, -1) }) do
    for _, text in ipairs(list) do
      texts[#texts + 1] = text
    end
  end
  return table.concat(texts, '\28')
end

-- Appends the signals that came to this partition before a moved job to the signals that the job brings.
-- Returns whether the job waits for one of the appended signals.
local function bring_signals(id, own, reason)
  local name = key('signals:' .. id)
  local early, known, wakes = redis.call('LRANGE', key('signals:' .. id), 0, -1), {}, false
  redis.call('DEL', name)
  redis.call('ZREM', key('early'), id)
  for i, signals in ipairs({ own, early }) do
    for _, signal in ipairs(signals) do
      local mark, kind = string.match(signal, '^(([^\n]*)\n[^\31]+)\31')
      if not (mark and known[mark]) then
        redis.call('RPUSH', name, signal)
        kind = kind or string.match(signal, '^[^\n]*')
        wakes = wakes or i == 2 and string.find(reason, '\29' .. kind .. '\29', 1, true) ~= nil
      end
      known[mark or ''] = true
    end
  end
  return wakes
end

-- Keeps the journal of a job that moves to this partition. Returns whether a signal for which the job waits
-- has come to this partition before the job.
local function bring_journal(id, text)
  local reason, undo, rests, count, rest = string.match(text, '^([^\28]*)\28([^\28]*)\28([^\28]*)\28(%d+)(.*)$')
  local entries, signals = {}, {}
  for each in string.gmatch(rest, '\28([^\28]*)') do
    local list = #entries < tonumber(count) and entries or signals
    list[#list + 1] = each
  end
  recordings().open_journal(id)
  recordings().keep_entries(id, 0, entries)
  if undo ~= '' then
    redis.call('HSET', key('undos'), id, string.sub(undo, 2))
  end
  if rests ~= '' then
    redis.call('HSET', key('rests'), id, rests)
  end
  if reason ~= '' then
    redis.call('HSET', key('reasons'), id, reason)
  end
  return bring_signals(id, signals, reason) and is_suspended(id, (counted(id)))
end
