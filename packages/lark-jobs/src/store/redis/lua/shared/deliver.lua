-- Hands out effects.
-- module: delivery
-- needs: start, payloads, show, effects
-- gives: adopt, serve

local MEMBER_LEASE = 500
local MAX_HOOKS = 100
local MAX_BYTES = 1048576

-- Layout 5 kept the hooks that were due in `endings`, and an older worker may still write there. Takes over those that it
-- has not handed out.
local function adopt()
  local due = redis.call('ZRANGE', key('endings'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ITEMS)
  for _, id in ipairs(due) do
    redis.call('ZREM', key('endings'), id)
    for _, state in ipairs({ 'failed', 'cancelled' }) do
      local at = redis.call('ZSCORE', key(state), id)
      if at then
        redis.call('HSET', key('ended'), id, state .. '|' .. at)
        redis.call('ZADD', key('effects:hook'), at, id)
        redis.call('HSETNX', key('settings'), 'effects', 1)
      end
    end
  end
  return #due
end

-- The effects that are due longest: of each { kind, id, from when on }.
local function find_due(has_hooks)
  local due, most = {}, { hook = has_hooks and MAX_HOOKS or 0, member = MAX_ITEMS }
  for _, kind in ipairs(effects().EFFECT_KINDS) do
    local from, name = #due, key('effects:' .. kind)
    local found = most[kind] > 0
      and redis.call('ZRANGE', name, '-inf', now, 'BYSCORE', 'LIMIT', 0, most[kind], 'WITHSCORES') or {}
    for i = 1, #found, 2 do
      due[#due + 1] = { kind = kind, id = found[i], at = tonumber(found[i + 1]) }
    end
    if from > 0 and #due > from then
      table.sort(due, function(a, b)
        return a.at < b.at
      end)
    end
  end
  return due
end

-- Hands out effects that are due, as many as fit into an answer: { kind; the jobs as in show.lua; … }, by kind and
-- state. `lease`: milliseconds for hooks; nothing to hand out none.
local function hand_out(lease)
  local due, ids = find_due(lease), {}
  for i, each in ipairs(due) do
    ids[i] = each.id
  end
  if #ids == 0 then
    return
  end
  local ends = redis.call('HMGET', key('ended'), unpack(ids))
  local records = redis.call('HMGET', key('jobs'), unpack(ids))
  local texts = {}
  for _, name in ipairs({ 'errors', 'results' }) do
    texts[#texts + 1] = redis.call('EXISTS', key(name)) == 1 and key(name) or nil
  end
  local left, groups, order = MAX_BYTES, {}, {}
  for i, each in ipairs(due) do
    local state, at = string.match(ends[i] or '', '^(%a+)|(%d+)')
    local record = each.kind == 'member' and payloads().bare(records[i] or '') or string.gsub(records[i] or '', '^~', '')
    left = left - payloads().bytes_of(record)
    for _, name in ipairs(texts) do
      left = left - redis.call('HSTRLEN', name, each.id)
    end
    if left < 0 and #order > 0 then
      break
    end
    local name = key('effects:' .. each.kind)
    if not state or not records[i] then
      -- The server has evicted the record, or an older worker has removed it.
      redis.call('ZREM', name, each.id)
      effects().release({ each.id })
    else
      redis.call('ZADD', name, string.format('%.0f', now + (each.kind == 'hook' and lease or MEMBER_LEASE)), each.id)
      local group = groups[each.kind .. state] or { kind = each.kind, state = state, ids = {}, ends = {}, records = {} }
      if #group.ids == 0 then
        groups[each.kind .. state], order[#order + 1] = group, group
      end
      local n = #group.ids + 1
      group.ids[n], group.ends[n], group.records[n] = each.id, at, record
    end
  end
  local answer = {}
  for _, group in ipairs(order) do
    answer[#answer + 1] = group.kind
    answer[#answer + 1] = show(group.state, group.ids, group.ends, group.records)
  end
  return #answer > 0 and answer or nil
end

-- Does what a call says of effects. `wanted`: `e` and the milliseconds for which the caller has hooks, if it takes some;
-- then a line for each effect that was delivered. Returns the effects that are handed out, or nothing.
local function serve(wanted)
  local lease, names = string.match(wanted, '^e(%d*)\n?(.*)$')
  effects().acknowledge(names)
  lease = tonumber(lease)
  effects().owed.is = effects().owed.is and not lease
  return hand_out(lease)
end
