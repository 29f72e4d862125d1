-- Watches: who wants to hear of the ends of which jobs.
--   watches  HASH  id -> until when|watcher, one a line
-- `watched` in `settings` is when the last of them lapses. Once that is over, the next end removes them all.
-- module: watching
-- needs: start, effects, notice
-- gives: watch, ring_watchers

-- Registers a watcher for jobs, or renews its watches of which less than half of the time is left.
local function watch(watcher, ids, ttl)
  local over, pairs = string.format('%.0f', now + ttl), {}
  for i, lines in ipairs(redis.call('HMGET', key('watches'), unpack(ids))) do
    local kept, is_fresh = {}, false
    for line, till, other in string.gmatch(lines or '', '((%d+)|([^\n]+))') do
      till = tonumber(till)
      is_fresh = is_fresh or other == watcher and till >= now + ttl / 2
      kept[#kept + 1] = other ~= watcher and till > now and line or nil
    end
    if not is_fresh then
      kept[#kept + 1] = over .. '|' .. watcher
      pairs[#pairs + 1], pairs[#pairs + 2] = ids[i], table.concat(kept, '\n')
    end
  end
  if #pairs > 0 then
    redis.call('HSET', key('watches'), unpack(pairs))
    if tonumber(redis.call('HGET', key('settings'), 'watched') or 0) < now + ttl then
      redis.call('HSET', key('settings'), 'watched', over)
    end
  end
end

-- Rings the watchers of jobs that end now, and remembers these ends. `watched`: as in `settings`. `how`: as in end.lua.
local function ring_watchers(watched, state, ids, how)
  if tonumber(watched) <= now then
    redis.call('DEL', key('watches'))
    redis.call('HDEL', key('settings'), 'watched')
    return
  end
  local live = {}
  for i, lines in ipairs(redis.call('HMGET', key('watches'), unpack(ids))) do
    local is_live = false
    for till, watcher in string.gmatch(lines or '', '(%d+)|([^\n]+)') do
      if tonumber(till) > now then
        notify(watcher)
        is_live = true
      end
    end
    live[#live + 1] = is_live and ids[i] or nil
  end
  if #live > 0 then
    redis.call('HDEL', key('watches'), unpack(live))
    effects().remember_ends(state, live, how)
  end
end
