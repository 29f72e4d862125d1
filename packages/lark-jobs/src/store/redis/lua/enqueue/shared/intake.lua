-- Queues new jobs, for dispatches and for writes of schedules and flows.
-- needs: start, line, queue, lanes, offers, payloads, admission, keeping, event
-- gives: queue_all

-- Queues the jobs of `batch` (queue.lua). `max`: the maximum number of jobs that have not begun, or nothing
-- if the partition has no bound. `kept`: '' if a full partition rejects new jobs; if a full partition drops
-- jobs, the number of cancelled jobs that are kept. Returns the verdicts in the form of enqueue.lua, and how
-- many callers to ring.
local function queue_all(batch, max, kept)
  local ids, records, runs, large = batch.ids, batch.records, batch.runs, batch.large
  local room = max and kept == '' and admission().room_in(tonumber(max)) or math.huge
  local verdicts, rings = '', 0
  -- These writes come first. A server that is full or read-only refuses the first write, before the script
  -- has changed anything.
  local is_crowded = open_lines(runs)
  local added = batch.is_plain and not is_crowded and room >= #ids and write(ids, records) or 0
  if added < #ids then
    if added > 0 then
      -- The call contains an id twice. So the new records are removed, and `admit` decides about each job:
      -- the first job with an id is queued.
      redis.call('HDEL', key('jobs'), unpack(ids))
    end
    records, verdicts, rings = admission().admit(ids, records, runs, large, room)
    if #records > 0 then
      redis.call('HSET', key('jobs'), unpack(records))
    end
  elseif next(large) then
    local list = {}
    for i, payload in pairs(large) do
      list[#list + 1], list[#list + 2] = ids[i], payload
    end
    payloads().keep_payloads(list)
  end
  for _, run in ipairs(runs) do
    if run.hooked ~= '' then
      for _, id in ipairs(run.list) do
        redis.call('HSET', key('hooked'), id, 1)
      end
    end
    if run.direct ~= '' then
      for _, id in ipairs(run.list) do
        redis.call('HSET', key('direct'), id, 1)
      end
    end
    if run.keep then
      keeping().carry(run.list, run.keep)
    end
  end

  -- Usually no caller waits, no entry of the list is void, and nobody listens. One EXISTS checks these three
  -- things. EXISTS counts a key as often as the command names the key, and only `events` is named once, so an
  -- odd number means that somebody listens.
  local twice, is_first = { key('idle'), key('idle') }, false
  for _, run in ipairs(runs) do
    twice[#twice + 1], twice[#twice + 2] = line('void', run.priority), line('void', run.priority)
  end
  local found = redis.call('EXISTS', key('events'), unpack(twice))
  local is_quiet = found < 2
  if found % 2 == 1 then
    local queued_ids = {}
    for i = 1, #ids do
      queued_ids[#queued_ids + 1] = (verdicts == '' or string.sub(verdicts, i, i) == 'q') and ids[i] or nil
    end
    tell('queued', queued_ids)
  end

  if not is_quiet and #records > 0 and are_first(runs) then
    is_first = true
    local list, texts = {}, {}
    for i = 1, #records, 2 do
      list[#list + 1], texts[#texts + 1] = records[i], records[i + 1]
    end
    local handed, rung = offers().hand(list, texts)
    runs = { { priority = '', delay = '', list = { unpack(list, handed + 1) } } }
    rings = -rung
  end
  rings = rings + line_up(runs, is_quiet or is_first)

  if max and kept ~= '' then
    admission().drop(-admission().room_in(tonumber(max)), tonumber(kept))
  end
  if made.lanes then
    lanes().reposition_all()
  end
  return verdicts, is_quiet and 0 or rings
end
