-- exchange: settles jobs, then claims the next jobs, in one atomic step.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  caller
-- ARGV[3]  the number of the call
-- ARGV[4]  how many connections the process of the caller has given up so far (calls.lua)
-- ARGV[5]  how many jobs the caller can start at once. `;` and the amount by which the revision numbers of
--          flows rise follow if the caller takes the flows that this call makes due
-- ARGV[6]  how many more jobs to prefetch. If the claim states limits (rate.lua), this argument is the
--          limits, and no job is prefetched
-- ARGV[7]  lease, milliseconds
-- ARGV[8]  how the caller waits for jobs: '' if it cannot be rung, `ring`, or `hand` if it also takes jobs
--          with a ring. `;limiter=count,…` follows if the caller has permits: for each limiter, for how many
--          jobs. `~=` and the milliseconds of one step of priority follow if priorities age. The next lines
--          acknowledge and request effects (delivery.lua); there, `w` stands for `e` and the lease in ARGV[7]
-- ARGV[9]  the number of a claim that was sent to the caller with a ring which may be lost, or ''. If there
--          is such a claim, this answer includes its jobs
-- ARGV[10] how many completed jobs are kept
-- ARGV[11] how many failed jobs are kept
-- ARGV[12] how many cancelled jobs are kept
-- ARGV[13] the jobs that completed and report nothing else (settle.lua)
-- ARGV[14…] five values for each other settlement: id, token, kind, value, log lines
-- Returns  { the verdicts: '' if all jobs are settled, otherwise 1 or 0 for each; milliseconds until the next
--          job is due, or -1; the claimed ids, one on each line; their records, followed by the payloads that
--          are stored separately; their counters, or nothing; limiters (limited.lua), or nothing; the effects
--          that are handed out, or nothing; when each job was due ('' for a job that was due when it was
--          queued), or nothing; milliseconds until a schedule or a flow is due, or -1 or nothing if none will
--          be due, or if the claim got all jobs that it wanted and no flow became due; the journals of the
--          jobs that have one (journal.lua), or nothing; { the time; the due flows that are handed out
--          (flows.lua) }, or nothing }
-- Cost     O((n + limit) log m) for n settlements and m ended jobs; it does not depend on the number of
--          waiting jobs
-- needs: start, calls, line, place, lanes, counters, lease, rates, rooms, payloads, settle, order, ring
-- needs: effects, retain, delivery, end, event, pause, ticks, flows, suspended, journals, holder, journaled
-- needs: retrying

local limit, prefetch, step = tonumber(ARGV[5]), tonumber(ARGV[6]), nil
if not limit then
  limit, step = string.match(ARGV[5], '^(%d+);(%d+)$')
end
limit = math.min(tonumber(limit), MAX_ITEMS)
local waits, wanted = ARGV[8], nil
local cut = string.find(waits, '\n', 1, true)
if cut then
  waits, wanted = string.sub(waits, 1, cut - 1), string.gsub(string.sub(waits, cut + 1), '^w', 'e' .. ARGV[7])
end
aging = #waits > 4 and tonumber(string.match(waits, '~=(%d+)'))
local most = math.min(limit + (prefetch or 0), MAX_ITEMS)
local token = ARGV[2] .. '.' .. ARGV[3]
local paused, laned, large, owes, watched, keeps, listened, has_ticks, has_flows, has_written =
  unpack(redis.call(
    'HMGET', key('settings'), 'paused', 'lanes', 'large', 'effects', 'watched', 'keeps', 'listened', 'ticks', 'flows',
    'journals'
  ))
ends.watched, ends.keeps, audience.till = watched or '', keeps, listened or ''
journaled.is = has_written
ends.takes = wanted and string.match(wanted, '^e(%d*)') ~= '0'
local limits, stored = prefetch and '' or ARGV[6], limits_in(paused)
if stored ~= '' then
  limits, prefetch, most = rates().both(limits, stored), nil, math.min(limit, MAX_ITEMS)
end
paused, laned = pause_left(paused), (laned or '0') ~= '0'
room = large and rooms().byte_room or nil

local function records_of(ids)
  return #ids > 0 and redis.call('HMGET', key('jobs'), unpack(ids)) or {}
end

-- Returns when each job was due, or '' for a job that was due when it was queued. Returns nothing if all jobs
-- were due when they were queued.
local function dues_of(ids, records, places)
  local found, is_any = {}, false
  for i, id in ipairs(ids) do
    local place = string.match(places[id] or '', '^%d+')
    found[i] = place and tonumber(place) ~= queued(id, records[i]) and place or ''
    is_any = is_any or found[i] ~= ''
  end
  return is_any and found or nil
end

-- Hands out the flows that are due, if this call has made a flow due, and the caller takes flows. Returns {
-- the time; the flows }, or nothing.
local function due_flows()
  if not step or not ends.calls or limit == 0 then
    return
  end
  local due = redis.call('ZRANGE', key('flows'), '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_DUE)
  local found, is_any_gone = flows().hand_out_flows(due, FLOW_LEASE_MS, step, FLOW_BYTES, false)
  if is_any_gone then
    ticks().next_tick({ ticks = has_ticks, flows = true }, 'flows')
  end
  return #found > 0 and { string.format('%.0f', now), found } or nil
end

local function reply(verdicts, due, ids, records, counters, waiting, handed, places)
  local lent = due_flows()
  local late = next(places) and dues_of(ids, records, places) or nil
  local is_asked = ends.calls or (has_ticks or has_flows) and #ids < limit
  local tick = is_asked and ticks().next_tick({ ticks = has_ticks, flows = has_flows or ends.calls }) or nil
  local written = has_journals() and journals().read_claimed(ids) or nil
  for _, payload in ipairs(room and payloads().payloads_of(ids, records) or {}) do
    records[#records + 1] = payload
  end
  -- The ids are returned as one text, because a list of ids takes twice as long. The records are returned as
  -- a list, because Lua would hash the joined text (0.2 of the 3.7 µs that a job takes).
  if paused then
    due = paused < math.huge and paused or -1
  end
  if written then
    tick = tick or -1
  end
  return {
    verdicts, due, table.concat(ids, '\n'), records, counters, waiting or (handed or late or tick) and false,
    handed or (late or tick) and false, late or tick and false, tick, written or lent and false, lent,
  }
end

local function next_of(all)
  return laned and lanes().next_turn(next_due(all)) or next_due(all)
end

local answer = recall()
if answer then
  local ids, holders = held_by(token)
  local places = {}
  for i, id in ipairs(ids) do
    local _, _, place = read_holder(holders[i])
    places[id] = place and string.format('%.0f', place)
  end
  return reply(answer, next_of(lines()), ids, records_of(ids), counters_of(ids), nil, nil, places)
end

-- This write comes first, because it needs no memory: a server whose memory is full allows this write, and
-- then also all other writes of the script. Jobs that end free memory.
redis.call('SREM', key('idle'), most > 0 and ARGV[2] or '')

local kept = { completed = tonumber(ARGV[10]), failed = read_kept(ARGV[11]), cancelled = tonumber(ARGV[12]) }
local verdicts, settled = settle(13, kept, laned)
if made.pausing then
  paused = pause_left(redis.call('HGET', key('settings'), 'paused'))
end
if laned then
  lanes().reposition_all()
  laned = redis.call('HGET', key('settings'), 'lanes') ~= '0'
  -- No job is prefetched while the partition has lanes.
  most = laned and limit or most
end

local permitted, wait, note = math.huge, -1, nil
if not prefetch and most > 0 then
  permitted, wait, note = rates().allowed_starts(limits, most)
  most = math.min(most, permitted)
end
local all, taken, places = lines(), {}, {}
if ARGV[9] ~= '' then
  local unheard = ARGV[2] .. '.' .. ARGV[9]
  taken = held_by(unheard)
  if #taken > 0 then
    leave_claim(unheard, #taken)
    if room then
      room.first(taken)
    end
    most = math.min(most + #taken, MAX_ITEMS)
  end
end
if most > 0 and not paused then
  (laned and take_turns or take_lines)(all, most, taken, places, waits)
end
local fits = prefetch_until(taken, limit)
local ids, records, left = {}, {}, room and room.is_full
local found = records_of(taken)
for i = 1, #taken do
  -- If the server has evicted the record of a job, the claim leaves the job out. The job does not end,
  -- because its class is not known any more. If the job was a member of a flow, the flow asks for its fate
  -- later, and the answer is `unknown` (flow-fates.lua).
  local id, record, n = taken[i], found[i], #ids + 1
  if record and i > fits then
    local queued_at, priority = queued(id, record)
    put(id, priority, tonumber(string.match(places[id] or queued_at, '^%d+')), true)
    left = true
    if laned then
      lanes().end_busy(places[id])
    end
  elseif record then
    ids[n], records[n] = id, record
  elseif laned then
    lanes().end_busy(places[id])
  end
end
local counters = counters_of(ids)
leave_retrying(ids, counters)
leave_suspended(ids)
if #ids > 0 then
  open_claim(token, ids, limit, places, now + tonumber(ARGV[7]), counters, records)
  note = note and note(#ids)
  if is_heard() then
    tell('started', started_of(ids, limit, counters, records))
  end
end
if made.lanes then
  lanes().reposition_all()
end
local waiting = laned and most > 0 and not paused and lanes().limited() or nil
local has_less = #ids < limit and not left
local due = next_of(all)
-- If there are jobs in lanes, each settled job may let a waiting job of its lane begin.
local freed = laned and math.min(settled, redis.call('ZCARD', key('laned')))
  or due == 0 and not prefetch and math.max(settled - #ids, 0) or 0
if due == 0 and #ids == 0 and sweeps <= 0 then
  -- The claim is empty, because the call was busy with the removal of void entries. The answer 1 makes the
  -- caller claim again in 1 ms. After an empty claim and the answer 0, a caller would wait longer each time,
  -- because it would assume a damaged counter.
  due = 1
end
-- If this caller got fewer jobs than it wanted, its claim already includes the jobs that were put back. If
-- not, other callers are rung for the jobs that were put back.
local heard = ring(ring_counts.later + (has_less and 0 or ring_counts.again) + freed)
if #ids == permitted and has_less then
  due = wait >= 0 and due >= 0 and math.max(due, wait) or -1
end
if has_less and string.find(waits, '^%a') then
  redis.call('SADD', key('idle'), ARGV[2])
  local takes = stored == '' and string.sub(waits, 1, 4) == 'hand' and limit - #ids or 0
  redis.call('HSET', key('offers'), ARGV[2], table.concat({ ARGV[3], takes, ARGV[7] }, '|'))
end
local handed = wanted and (owes or made.effects) and delivery().serve(wanted) or nil
if limit == 0 and ends.calls then
  -- This caller wants no jobs and may be about to stop, so another caller is rung for the flow that is due.
  redis.call('SREM', key('idle'), ARGV[2])
  heard = heard + ring(1, true)
end
if made.effects then
  effects().ring_for_effects(heard)
end
remember(verdicts)
return reply(verdicts, due, ids, records, counters, waiting, handed, places)
