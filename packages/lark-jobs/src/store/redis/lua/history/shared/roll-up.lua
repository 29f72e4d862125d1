-- Adds up the minutes of each hour that is over, and the hours of each day. A sum is replaced only by a
-- greater sum, so a repeated call changes nothing (`store/contract/history.ts`).
--
-- `history`: HASH of the last 72 hours and 90 days, each `<number since 1970> <completed> <failed>
-- <retried>`. The fields are `h<hour modulo 72>` and `d<day modulo 90>`. A later hour or day overwrites the
-- field of an old one, so no field has to be removed.
-- needs: start, recent
-- gives: roll_up

-- Returns the sum in a field if the field has the hour or day `number`.
local function read_sum(text, number)
  local kept, completed, failed, retried = string.match(text or '', '^(%d+) (%d+) (%d+) (%d+)$')
  if tonumber(kept) ~= number then
    return { 0, 0, 0 }
  end
  return { tonumber(completed), tonumber(failed), tonumber(retried) }
end

local function keep_sum(field, number, sum)
  local kept = read_sum(redis.call('HGET', key('history'), field), number)
  if sum[1] + sum[2] + sum[3] > kept[1] + kept[2] + kept[3] then
    redis.call('HSET', key('history'), field, string.format('%.0f %.0f %.0f %.0f', number, unpack(sum)))
  end
end

local function roll_hour(hour)
  local minutes, sum = append_minutes({}, hour * 60, hour * 60 + 59), { 0, 0, 0 }
  for i, number in ipairs(minutes) do
    local kind = (i - 1) % 4
    if kind > 0 then
      sum[kind] = sum[kind] + number
    end
  end
  keep_sum('h' .. hour % HOURS, hour, sum)
end

local function roll_day(day)
  local hours, sum = {}, { 0, 0, 0 }
  for hour = day * 24, day * 24 + 23 do
    hours[#hours + 1] = 'h' .. hour % HOURS
  end
  for i, text in ipairs(redis.call('HMGET', key('history'), unpack(hours))) do
    for kind, number in ipairs(read_sum(text, day * 24 + i - 1)) do
      sum[kind] = sum[kind] + number
    end
  end
  keep_sum('d' .. day % DAYS, day, sum)
end

local function roll_up()
  local over = redis.call('ZRANGE', key('unrolled'), '-inf', now, 'BYSCORE', 'LIMIT', 0, HOURS)
  for _, hour in ipairs(over) do
    roll_hour(tonumber(hour))
    roll_day(math.floor(tonumber(hour) / 24))
  end
  if #over > 0 then
    redis.call('ZREM', key('unrolled'), unpack(over))
  end
end
