-- Watches of jobs (`contract/watch.ts`). `watched` in `settings` is the time at which the last watch runs
-- out. After this time, the next end of a job removes all watches.
-- module: watching
-- needs: start, effects, notice, watchers
-- gives: watch, ring_watchers, unwatch

-- Returns the jobs among these that have reported progress.
local function reporting(ids)
  local found = {}
  if #ids > 0 and redis.call('EXISTS', key('progress')) == 1 then
    for i, progress in ipairs(redis.call('HMGET', key('progress'), unpack(ids))) do
      found[#found + 1] = progress and ids[i] or nil
    end
  end
  return found
end

-- Rings the workers that hold these jobs with a notice, because the jobs are watched.
local function notify_holders(ids)
  for _, holder in ipairs(#ids > 0 and redis.call('HMGET', key('holders'), unpack(ids)) or {}) do
    local token = holder and string.match(holder, '^(.-)|')
    if token then
      notify_holder(token)
    end
  end
end

-- Registers a watcher for jobs. A watch of this watcher that has at least half of its time left is not
-- renewed. `news`: whether all workers that hold these jobs get a notice, so that they send log lines and
-- progress, even if they know of an earlier watch.
local function watch(watcher, ids, ttl, news)
  local over, pairs, fresh = string.format('%.0f', now + ttl), {}, {}
  for i, lines in ipairs(redis.call('HMGET', key('watches'), unpack(ids))) do
    local kept, is_fresh, is_known = {}, false, false
    for line, till, other in string.gmatch(lines or '', '((%d+)|([^\n]+))') do
      till = tonumber(till)
      is_fresh = is_fresh or other == watcher and till >= now + ttl / 2
      is_known = is_known or till > now
      kept[#kept + 1] = other ~= watcher and till > now and line or nil
    end
    if not is_fresh then
      kept[#kept + 1] = over .. '|' .. watcher
      pairs[#pairs + 1], pairs[#pairs + 2] = ids[i], table.concat(kept, '\n')
      fresh[#fresh + 1] = not is_known and ids[i] or nil
    end
  end
  if #pairs > 0 then
    redis.call('HSET', key('watches'), unpack(pairs))
    if tonumber(redis.call('HGET', key('settings'), 'watched') or 0) < now + ttl then
      redis.call('HSET', key('settings'), 'watched', over)
    end
  end
  notify_holders(news and ids or reporting(fresh))
end

-- Rings the watchers of jobs, and removes the watches. Returns the jobs that were watched.
local function unwatch(ids)
  local live, all, noted = {}, watchers().watchers_of(ids)
  for i, its in ipairs(all) do
    for _, watcher in ipairs(its) do
      notify(watcher)
    end
    live[#live + 1] = #its > 0 and ids[i] or nil
  end
  if #noted > 0 then
    redis.call('HDEL', key('watches'), unpack(noted))
  end
  return live
end

-- Rings the watchers of jobs that end now, and remembers the ends of the watched jobs. `watched`: the value
-- of `watched` in `settings`. `how`: see end.lua.
local function ring_watchers(watched, state, ids, how)
  if tonumber(watched) <= now then
    redis.call('DEL', key('watches'))
    redis.call('HDEL', key('settings'), 'watched')
    return
  end
  local live = unwatch(ids)
  if #live > 0 then
    effects().remember_ends(state, live, how)
  end
end
