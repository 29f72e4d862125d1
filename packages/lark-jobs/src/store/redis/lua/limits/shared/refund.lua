-- Refunds starts that a rate has counted but that did not happen (rate.lua). The mark of the starts says
-- where the rate has counted them.
-- module: refunds
-- needs: start
-- gives: refund
-- covers: RATE_KINDS in kinds
-- New kind of rate: add how starts are refunded.
local kinds = {}

function kinds.window(mark, count)
  local known = redis.call('HMGET', key('rate'), 'at', 'count')
  if tonumber(known[1]) == mark then
    redis.call('HSET', key('rate'), 'count', math.max((tonumber(known[2]) or 0) - count, 0))
  end
end

-- Right after the grant, the bucket had at most `burst` tokens. Since then the bucket has given
-- `taken - mark` tokens. So a refund fills the bucket at most up to `burst` minus this number.
function kinds.bucket(mark, count, _, burst)
  local known = redis.call('HMGET', key('rate'), 'tokens', 'taken')
  local tokens, taken = tonumber(known[1]), tonumber(known[2])
  if not tokens or not taken or taken < mark then
    return
  end
  local refilled = math.min(tokens + count, burst - (taken - mark))
  if refilled > tokens then
    redis.call('HSET', key('rate'), 'tokens', string.format('%.6f', refilled))
  end
end

function kinds.sliding(mark, count, per)
  if mark > now - per then
    redis.call('LREM', key('starts'), count, mark)
  end
end

-- Refunds `count` starts. `limits`, `mark`: see rate.lua.
local function refund(limits, mark, count)
  local kind, per, burst = string.match(limits, '^%d*|(%a+)|%d*|(%d*)|(%d*)$')
  if kind then
    kinds[kind](mark, count, tonumber(per), tonumber(burst))
  end
end
