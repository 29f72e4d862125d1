-- permit: reports how many permits of a limiter a holder uses, and grants more permits.
--
-- KEYS[1]  holders     HASH holder -> number of its last call|held|granted|wait; '' -> the number of permits
--                      that all holders hold; @ and a holder -> mark|since. mark: the mark of the permits
--                      that the holder got last (rate.lua). since: a number of a call; the limiter knows all
--                      calls of the holder from this number on
--          waiting, waits  ZSET, ZSET  size of a lot -> since when holders wait for a lot of this size; until
--                                      when this wait counts
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  holder
-- ARGV[3]  the number of the call
-- ARGV[4]  lease, milliseconds
-- ARGV[5]  how many permits the holder uses
-- ARGV[6]  how many more permits the holder wants
-- ARGV[7]  the number of permits in a lot: only whole lots are granted
-- ARGV[8]  limits (rate.lua)
-- ARGV[9]  1 if the limits can ever allow a whole lot, otherwise ''
-- ARGV[10] the number of the previous call, or ''
-- ARGV[11…] three values for each earlier call that got permits of a rate which no job has used: the number
--          of the call, the mark in its answer, and how many of its permits were not used
-- Returns  { how many permits are granted; milliseconds until a rate allows more, or -1; a mark, or nothing }
-- Cost     O(log h + n) for h holders and n wanted permits; O(log h) for each holder with an ended lease, and
--          for each lot size that no holder waits for any more; O(l) for the unused permits of a call, with a
--          sliding rate of limit l
-- needs: start, rates, refunds

local holders, ends = key('holders'), key('ends')

local function parse(text)
  local number, held, granted, wait = string.match(text or '', '^(%d+)|(%d+)|(%d+)|(-?%d+)$')
  return tonumber(number), tonumber(held) or 0, tonumber(granted), tonumber(wait)
end

local function renew()
  local lease_ms = tonumber(ARGV[4])
  redis.call('ZADD', ends, now + lease_ms, ARGV[2])
  -- The keys of a limiter expire after the leases of its holders, so that a limiter which no holder uses
  -- leaves no data.
  if redis.call('PTTL', ends) < 2 * lease_ms then
    redis.call('PEXPIRE', ends, 2 * lease_ms)
    redis.call('PEXPIRE', holders, 2 * lease_ms)
  end
end

-- Whether holders wait for lots of any size. Usually no holder waits, and one command shows this.
local is_awaited = false

-- How many permits are reserved for other lot sizes. One lot of the size for which holders have waited
-- longest is reserved, so that requests for lots of other sizes cannot take these permits.
local function kept_from(each)
  is_awaited = redis.call('EXISTS', key('waiting')) == 1
  if not is_awaited then
    return 0
  end
  local over = redis.call('ZRANGEBYSCORE', key('waits'), '-inf', now, 'LIMIT', 0, MAX_ITEMS)
  if #over > 0 then
    redis.call('ZREM', key('waits'), unpack(over))
    redis.call('ZREM', key('waiting'), unpack(over))
  end
  local first = tonumber(redis.call('ZRANGE', key('waiting'), 0, 0)[1])
  return first and first ~= each and first or 0
end

local function stay(name, ms)
  if redis.call('PTTL', key(name)) < ms then
    redis.call('PEXPIRE', key(name), ms)
  end
end

-- If a holder got a lot of this size, the wait for lots of this size ends. If a holder got none, the wait
-- begins now or goes on.
local function take_turn(each, has_some, patience)
  if has_some then
    if is_awaited then
      redis.call('ZREM', key('waiting'), each)
      redis.call('ZREM', key('waits'), each)
    end
    return
  end
  redis.call('ZADD', key('waiting'), 'NX', now, each)
  redis.call('ZADD', key('waits'), now + patience, each)
  stay('waiting', patience)
  stay('waits', patience)
end

local known = redis.call('HMGET', holders, ARGV[2], '@' .. ARGV[2])
local number, mine, granted, wait = parse(known[1])
local last_mark, since = string.match(known[2] or '', '^(%d+)|(%d+)$')
if number and number > tonumber(ARGV[3]) then
  error('a call on a connection that was given up')
end
-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script.
redis.call('ZREM', ends, ARGV[2])
if number == tonumber(ARGV[3]) then
  renew()
  return { granted, wait, granted > 0 and tonumber(last_mark) or nil }
end
-- After a failover or the end of a lease, the limiter may not know the holder's previous call. Permits of
-- earlier calls can then not be refunded.
if since and number ~= tonumber(ARGV[10]) then
  redis.call('HDEL', holders, '@' .. ARGV[2])
  since = nil
end
for i = 11, since and #ARGV or 0, 3 do
  if tonumber(ARGV[i]) >= tonumber(since) then
    refunds().refund(ARGV[8], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]))
  end
end

local all = (tonumber(redis.call('HGET', holders, '')) or 0) - mine
for _, holder in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, MAX_ITEMS)) do
  local _, held = parse(redis.call('HGET', holders, holder))
  all = all - held
  redis.call('HDEL', holders, holder, '@' .. holder)
  redis.call('ZREM', ends, holder)
end

local held, wanted, each = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local function in_lots(count)
  count = math.max(math.min(count, wanted), 0)
  return count - count % each
end

granted, wait = 0, -1
local mark
if wanted > 0 then
  local kept, free, note = kept_from(each), nil, nil
  free, wait, note = rates().allowed_starts(ARGV[8], wanted + kept, '', all + held, each)
  granted = in_lots(free - kept)
  if note and granted > 0 then
    mark = note(granted)
  end
  -- `wait` is returned only if the rate is the reason why the holder gets fewer permits than it wants, and
  -- not the reservation.
  wait = granted < wanted and granted == in_lots(free) and wait or -1
  if ARGV[9] ~= '' then
    take_turn(each, granted > 0, tonumber(ARGV[4]) + math.max(wait, 0))
  end
end
held = held + granted
local fields = { ARGV[2], table.concat({ ARGV[3], held, granted, wait }, '|'), '', all + held }
if mark then
  -- The mark is in a field of its own, because a limiter without a rate has no mark.
  fields[5], fields[6] = '@' .. ARGV[2], string.format('%.0f|%s', mark, since or ARGV[3])
end
redis.call('HSET', holders, unpack(fields))
renew()
return { granted, wait, mark }
