-- Journals (`store/contract/journals.ts`).
--   steps:<id>    LIST  entries
--   signals:<id>  LIST  the name, a line break, the key or '', US, and the text
--   journals      HASH  id -> the bytes of its entries
--   undos         HASH  id -> what is to be undone (`store/contract/rules/undoing.ts`)
--   rests         HASH  id -> for how long it was suspended (`store/contract/rules/rest.ts`)
--   early         ZSET  id -> until when signals are kept for it, if there is no such job
-- A field of `settings` says that there are journals.
-- module: journals
-- needs: start, counters, suspended
-- gives: keep_entries, read_journal, read_claimed, take_steps, open_journal, rest, journal_bytes, carried, bring_journal

-- What Redis takes as arguments of one call.
local MOST = 1000

local function open_journal(id)
  redis.call('HSETNX', key('settings'), 'journals', 1)
  journaled.is = '1'
  redis.call('HSETNX', key('journals'), id, 0)
end

-- Adds entries, of which the first has the place `at`, unless they are there already. Returns false if there
-- is a gap before them: then it adds none.
local function keep_entries(id, at, entries)
  local name, bytes = key('steps:' .. id), 0
  local known = redis.call('LLEN', name) - at
  if known < 0 then
    return false
  end
  for from = known + 1, #entries, MOST do
    local till = math.min(from + MOST - 1, #entries)
    redis.call('RPUSH', name, unpack(entries, from, till))
    for i = from, till do
      bytes = bytes + #entries[i]
    end
  end
  open_journal(id)
  if bytes > 0 then
    redis.call('HINCRBY', key('journals'), id, bytes)
  end
  return true
end

-- The names and texts of the signals of a job behind so many.
local function signals_behind(id, heard)
  local found = {}
  for i, signal in ipairs(redis.call('LRANGE', key('signals:' .. id), heard, -1)) do
    local name, text = string.match(signal, '^([^\n]*)\n[^\31]*\31(.*)$')
    found[2 * i - 1], found[2 * i] = name or '', text or ''
  end
  return found
end

-- Keeps what a report says of steps, which precedes the rest: GS; the place of the first entry; `!` if the
-- job got further; `+` if there are steps to undo; `|` and how many signals the run knows, if it asks for
-- others; RS and an entry, for each; GS. Returns the rest; the signals that were asked for, or nothing; and
-- how many entries there are, if there is a gap before those of the report.
local function take_steps(id, report)
  local at, progress, undos, heard, texts, rest = string.match(report, '^\29(%d*)(!?)(%+?)|(%d*)([^\29]*)\29(.*)$')
  local entries = {}
  for entry in string.gmatch(texts, '\30([^\30]*)') do
    entries[#entries + 1] = entry
  end
  local is_short = #entries > 0 and not keep_entries(id, tonumber(at), entries)
  if undos ~= '' then
    open_journal(id)
    redis.call('HSET', key('undos'), id, '')
  end
  if progress ~= '' then
    local runs, _, _, releases = counted(id)
    count(id, runs, 0, 0, releases)
  end
  local signals = heard ~= '' and signals_behind(id, tonumber(heard)) or {}
  return rest, #signals > 0 and signals or nil, is_short and redis.call('LLEN', key('steps:' .. id)) or nil
end

-- { how many entries there are; their bytes; entries from a place on, as many as fit }
local function read_entries(id, from)
  local name, left = key('steps:' .. id), JOURNAL_BYTES
  local total = redis.call('LLEN', name)
  local found = { total, tonumber(redis.call('HGET', key('journals'), id)) or 0 }
  -- Of large entries, so many at a time as fit.
  local at, page = from, math.min(200, math.ceil(JOURNAL_BYTES * total / math.max(1, found[2])))
  while at < total do
    for _, entry in ipairs(redis.call('LRANGE', name, at, at + page - 1)) do
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

-- Milliseconds in which a job was suspended (`store/contract/rules/rest.ts`); nothing if nobody counts them.
local function rested(id)
  local sum, since = string.match(redis.call('HGET', key('rests'), id) or '', '^(%d+)|?(%d*)$')
  return sum and tonumber(sum) + math.max(0, now - (tonumber(since) or now))
end

-- Notes that a job is suspended from now on.
local function rest(id)
  redis.call('HSET', key('rests'), id, string.format('%.0f|%.0f', rested(id) or 0, now))
end

-- { as above; the signals, if `from` is 0; what is to be undone, or false; for how long it was suspended, or
-- nothing }
local function read_journal(id, from)
  local undo = redis.call('HGET', key('undos'), id)
  return { read_entries(id, from), from == 0 and signals_behind(id, 0) or {}, undo, rested(id) }
end

-- The journals of those of the claimed jobs that have one: the place of each in the claim, and its journal;
-- nothing if none has one. They rest no more.
local function read_claimed(ids)
  local found = {}
  for i, bytes in ipairs(#ids > 0 and redis.call('HMGET', key('journals'), unpack(ids)) or {}) do
    if bytes then
      local journal = read_journal(ids[i], 0)
      found[#found + 1], found[#found + 2] = i, journal
      if journal[4] then
        redis.call('HSET', key('rests'), ids[i], string.format('%.0f', journal[4]))
      end
    end
  end
  return #found > 0 and found or nil
end

-- The bytes of all that a job has recorded, and of its signals; nothing if it has no journal.
local function journal_bytes(id)
  local bytes = tonumber(redis.call('HGET', key('journals'), id))
  for _, signal in ipairs(bytes and redis.call('LRANGE', key('signals:' .. id), 0, -1) or {}) do
    bytes = bytes + #signal
  end
  return bytes
end

-- All of a journal as one text, for a job that is moved; with FS in between: why its last run put it back,
-- what is to be undone after a bar, or nothing; for how long it was suspended, or nothing; how many entries
-- there are, these, and the signals.
local function carried(id)
  local entries = redis.call('LRANGE', key('steps:' .. id), 0, -1)
  local undo = redis.call('HGET', key('undos'), id)
  local texts = { redis.call('HGET', key('reasons'), id) or '', undo and '|' .. undo or '' }
  texts[3], texts[4] = redis.call('HGET', key('rests'), id) or '', #entries
  for _, list in ipairs({ entries, redis.call('LRANGE', key('signals:' .. id), 0, -1) }) do
    for _, text in ipairs(list) do
      texts[#texts + 1] = text
    end
  end
  return table.concat(texts, '\28')
end

-- Adds the signals that came before a job that is moved here behind those that it brings. Returns whether it
-- waits for one of them.
local function bring_signals(id, own, reason)
  local name = key('signals:' .. id)
  local early, known, wakes = redis.call('LRANGE', name, 0, -1), {}, false
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

-- Keeps a journal that comes with a job that is moved. Returns whether the job has got a signal for which it
-- waits.
local function bring_journal(id, text)
  local reason, undo, rests, count, rest = string.match(text, '^([^\28]*)\28([^\28]*)\28([^\28]*)\28(%d+)(.*)$')
  local entries, signals = {}, {}
  for each in string.gmatch(rest, '\28([^\28]*)') do
    local list = #entries < tonumber(count) and entries or signals
    list[#list + 1] = each
  end
  open_journal(id)
  keep_entries(id, 0, entries)
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
