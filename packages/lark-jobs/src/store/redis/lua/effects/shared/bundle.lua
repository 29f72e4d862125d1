-- Bundles. Members of one flow that complete in one call, outside of the flow's home, share one effect: a
-- bundle. A bundle contains only the indices of its members. So to write, hand out and acknowledge a bundle
-- costs the same for any number of members, and a bundle stays complete if the jobs are removed.
--   effects:bundle           ZSET  bundle -> from when on it is handed out
--   remembered:bundle        ZSET  bundle -> until when it is remembered: the acknowledged bundles. These
--                                  bundles have a set of their own, because their ranges must be removed at
--                                  the same time
--   bundles:<flow>.<home>:   ZSET  first-last|when they ended -> last: the ranges of the members of all
--                                  bundles, until the bundles are removed
-- A bundle is a text: `<flow>.<home>:`, the ranges of its members in the form of count.lua, `|`, and when the
-- members ended.
-- module: effects
-- needs: start, counting
-- gives: keep_bundle, take_out, hand_out_bundles, acknowledge_bundles, forget_bundles, ends_in_bundles

-- How many bundles `take_out` searches: the newest ones.
local looks = 100

-- Parses a bundle into its head (the text before the indices), the ranges of indices (`runs`), the number of
-- members, and the time of their ends. Returns nothing if the text is not a bundle.
local function read_bundle(bundle)
  local head, text, at = string.match(bundle, '^(.*:)([%d,-]+)|(%d+)$')
  local runs, count = text and counting().runs_of(text) or {}, 0
  for i = 1, #runs, 2 do
    count = count + math.max(runs[i + 1] - runs[i], 0) + 1
  end
  if count > 0 and count <= MAX_ITEMS then
    return head, runs, count, at
  end
end

-- Makes a bundle of members that ended together, and adds it to the set `name` (`effects:bundle` or
-- `remembered:bundle`). Returns the bundle.
local function keep_bundle(name, score, head, runs, at)
  local texts, places, mark = {}, {}, '|' .. at
  for i = 1, #runs, 2 do
    local run = runs[i] .. '-' .. runs[i + 1]
    texts[#texts + 1] = runs[i] == runs[i + 1] and runs[i] or run
    places[i], places[i + 1] = runs[i + 1], run .. mark
  end
  local bundle = head .. table.concat(texts, ',') .. mark
  redis.call('ZADD', key('bundles:' .. head), unpack(places))
  redis.call('ZADD', key(name), score, bundle)
  return bundle
end

local function forget_runs(head, runs, at)
  local texts = {}
  for i = 1, #runs, 2 do
    texts[#texts + 1] = runs[i] .. '-' .. runs[i + 1] .. '|' .. at
  end
  redis.call('ZREM', key('bundles:' .. head), unpack(texts))
end

-- Takes members out of the bundles that are not acknowledged. `wanted`: a set of their indices. `at`: when
-- the members ended, or nothing for any time. Returns the ranges of the members that were found. Only the 100
-- bundles with the latest due times are searched. A member of another bundle stays in this bundle and is
-- delivered. A delivery that was not necessary does no harm, because the flow counts each member once.
local function take_out(head, wanted, at)
  local found, all = {}, redis.call('ZRANGE', key('effects:bundle'), 0, looks - 1, 'REV', 'WITHSCORES')
  for i = 1, #all, 2 do
    local is_there = string.sub(all[i], 1, #head) == head
    local its_head, runs, _, ended = read_bundle(is_there and all[i] or '')
    local rest, size = {}, #found
    for n = 1, its_head == head and (not at or ended == at) and #runs or 0, 2 do
      for index = runs[n], runs[n + 1] do
        local list = wanted[index] and found or rest
        list[#list + 1], list[#list + 2] = index, index
      end
    end
    if #found > size then
      redis.call('ZREM', key('effects:bundle'), all[i])
      forget_runs(head, runs, ended)
      if #rest > 0 then
        keep_bundle('effects:bundle', all[i + 1], head, rest, ended)
      end
    end
  end
  return found
end

-- Hands out due bundles, the earliest due time first, with at most `most` members in total. Appends `bundle`
-- and the list of all handed-out bundles to `answer`. `handed`: the bundles that this call has written and
-- hands out in any case.
local function hand_out_bundles(answer, most, handed)
  local leases, gone, name = {}, {}, key('effects:bundle')
  local due = most > 0 and redis.call('ZRANGE', name, '-inf', now, 'BYSCORE', 'LIMIT', 0, most) or {}
  for _, bundle in ipairs(due) do
    local head, _, count = read_bundle(bundle)
    if not head then
      gone[#gone + 1] = bundle
    elseif count > most then
      break
    else
      most, handed[#handed + 1] = most - count, bundle
      leases[#leases + 1], leases[#leases + 2] = string.format('%.0f', now + MEMBER_LEASE_MS), bundle
    end
  end
  if #gone > 0 then
    redis.call('ZREM', name, unpack(gone))
  end
  if #leases > 0 then
    redis.call('ZADD', name, unpack(leases))
  end
  if #handed > 0 then
    answer[#answer + 1], answer[#answer + 2] = 'bundle', handed
  end
end

-- Acknowledges bundles, and remembers them until `over`. If a named bundle does not exist, its members were
-- taken out or acknowledged before, or are in other bundles now; they are taken out of these.
local function acknowledge_bundles(bundles, over)
  local done, remembered = {}, {}
  for i, score in ipairs(redis.call('ZMSCORE', key('effects:bundle'), unpack(bundles))) do
    local head, runs, _, at = read_bundle(not score and bundles[i] or '')
    if score then
      done[#done + 1] = bundles[i]
      remembered[#remembered + 1], remembered[#remembered + 2] = over, bundles[i]
    elseif head and not redis.call('ZSCORE', key('remembered:bundle'), bundles[i]) then
      local wanted = {}
      for n = 1, #runs, 2 do
        for index = runs[n], runs[n + 1] do
          wanted[index] = true
        end
      end
      local found = take_out(head, wanted, at)
      if #found > 0 then
        keep_bundle('remembered:bundle', over, head, found, at)
      end
    end
  end
  if #done > 0 then
    redis.call('ZREM', key('effects:bundle'), unpack(done))
    redis.call('ZADD', key('remembered:bundle'), unpack(remembered))
  end
end

-- Removes remembered bundles whose time is over, at most `most`. Returns how many bundles were removed.
local function forget_bundles(most)
  local over = redis.call('ZRANGE', key('remembered:bundle'), '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
  for _, bundle in ipairs(over) do
    local head, runs, _, at = read_bundle(bundle)
    if head then
      forget_runs(head, runs, at)
    end
  end
  if #over > 0 then
    redis.call('ZREM', key('remembered:bundle'), unpack(over))
  end
  return #over
end

-- Returns for members whose jobs are no longer kept when they completed, by id. Ranges of one flow overlap
-- only if a member has ended twice. So the range with a member is among the first ranges that end at or after
-- the index of the member.
local function ends_in_bundles(ids)
  local ends = {}
  for _, id in ipairs(ids) do
    local head, index = string.match(id, '^(.*:)(%d%d%d%d%d%d%d%d)$')
    local name = key('bundles:' .. (head or ''))
    local found = head and redis.call('ZRANGE', name, index, '+inf', 'BYSCORE', 'LIMIT', 0, 10) or {}
    for _, run in ipairs(found) do
      local first, at = string.match(run, '^(%d+)%-%d+|(%d+)$')
      if first and tonumber(first) <= tonumber(index) then
        ends[id] = at
        break
      end
    end
  end
  return ends
end
