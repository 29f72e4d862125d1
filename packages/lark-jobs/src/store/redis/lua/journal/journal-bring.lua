-- journal-bring: keeps a journal for a job that does not exist yet.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the job
-- ARGV[3]  the index of the first entry; 0 first removes the kept journal, except its signals
-- ARGV[4]  `|` and the text about the undos of the job (`store/contract/rules/undoing.ts`), or '' if the
--          job has no steps to undo
-- ARGV[5]  how many signals come with the first entries
-- ARGV[6…] the signals in their stored form (journal.lua), and then the entries
-- Returns  the verdict (`store/contract/journals.ts`)
-- Cost     O(n) for n entries and signals
-- needs: start, recordings, gone

local id, at, undo, count = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
if redis.call('HEXISTS', key('jobs'), id) == 1 or gone(id) then
  return 'exists'
end

-- `unpack` returns at most 8,000 values.
local function argued(from, till)
  local found = {}
  for i = from, till do
    found[#found + 1] = ARGV[i]
  end
  return found
end

-- Puts the signals that the job brings before the signals that came to this partition earlier, unless an
-- earlier call has done this.
local function put_signals(own)
  local name = key('signals:' .. id)
  local here, behind = redis.call('LRANGE', key('signals:' .. id), 0, -1), 1
  while behind <= #own and here[behind] == own[behind] do
    behind = behind + 1
  end
  redis.call('DEL', name)
  for i, list in ipairs({ own, here }) do
    for n, signal in ipairs(list) do
      if i == 1 or behind <= #own or n > #own then
        redis.call('RPUSH', name, signal)
      end
    end
  end
end

local entries = argued(6 + count, #ARGV)
if at == 0 then
  recordings().open_journal(id)
  redis.call('LTRIM', key('steps:' .. id), 0, 0)
  redis.call('LSET', key('steps:' .. id), 0, 0)
  redis.call('HDEL', key('undos'), id)
  put_signals(argued(6, 5 + count))
  if undo ~= '' then
    redis.call('HSET', key('undos'), id, string.sub(undo, 2))
  end
end
redis.call('ZADD', key('early'), string.format('%.0f', now + EARLY_MEMORY), id)
return recordings().keep_entries(id, at, entries) and 'brought' or 'changed'
