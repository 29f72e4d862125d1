-- alter: changes jobs by hand.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock. Three arguments that
--          identify the call come next. `recalled` removes them (numbered.lua), so the numbers below leave
--          them out
-- ARGV[2]  how many cancelled jobs are kept; for `unpin`, how many failed jobs
-- ARGV[3]  the change: retry, cancel, remove, purge, purge-elsewhere, unpin, run-now, reschedule, prioritize,
--          edit, edit-active (also edits an active job), add-tags, remove-tags, report. A `!` after the
--          change restricts it to jobs that have not begun. A colon and states, separated by commas, restrict
--          it to jobs in these states
-- ARGV[4]  the value of the change, or ''. For `cancel`, the reason (`store/contract/rules/reason.ts`). For
--          `reschedule`, the milliseconds. For `prioritize`, the priority ('' for 0). For `edit`, a `!` if
--          jobs that have run steps may be edited, the paths to hide as JSON ('' leaves them unchanged), RS,
--          and the payload. For tags, the tags as JSON. For `report`, see report.lua. For `retry`, `anew` if
--          the journal is removed, and `+` if the failures are kept. For `remove`, the versions
--          (`contract/change.ts`), separated by commas, or ''
-- ARGV[5…] the ids of the jobs
-- Returns  a letter for each id: d(one), a(sked), m(issing), r(efused)
-- Cost     O(n log m) for n ids, if m jobs are delayed, active or ended
-- needs: start, numbered, calls, line, place, lanes, counters, end, locate, payloads, options, notice, ring, effects, erase, retain, rouse
-- covers: CHANGE_KINDS in changes
-- needs: reports, watchers, keeping, event, last_tokens, revoked, moved-waits, undoing, purge, journaled, queued-again, retrying

local answer = recalled()
if answer then
  return answer
end

local kept, value = read_kept(ARGV[2]), ARGV[4]
local change, is_of_new, only = string.match(ARGV[3], '^([%l-]+)(!?)(:?.*)$')
if not string.find(change, '^edit') and change ~= 'add-tags' and change ~= 'report' then
  -- A server whose memory is full allows this write, because the write needs no memory, and then also all
  -- other writes of the script. Only an edit, further tags and a report need memory.
  redis.call('ZREM', key('leases'), '')
end
local ended = { completed = true, failed = true, cancelled = true }
local rings, cancelled = 0, {}

local function put_and_ring(id, priority, place)
  move_waits(id, place)
  last_tokens().settles_no_more({ id })
  redis.call('ZADD', key('stranded-due'), 'XX', string.format('%.0f', place), id)
  if put(id, priority, place) or place <= now then
    rings = rings + 1
  end
end

local changes = {}

changes['retry'] = function(id, state, record, priority, place)
  local runs, failures, _, releases = counted(id)
  local completed = state == 'completed' and 1 or 0
  local queued_at = ended[state] and queue_again(id, state, record, place, runs + completed)
  if not queued_at then
    return 'r'
  end
  failures = string.find(value, '+', 1, true) and failures + completed or 0
  count(id, runs + completed, failures, 0, releases)
  if state == 'completed' then
    effects().unbundle(id)
  end
  if state == 'completed' or string.find(value, '^anew') then
    drop_journals({ id })
  elseif undo_of(id) then
    redis.call('HSET', key('undos'), id, '')
  end
  if has_journals() then
    redis.call('HDEL', key('rests'), id)
  end
  redis.call('HDEL', key('progress'), id)
  local is_laned = string.find(priority, '@', 1, true)
  if is_laned or queued_at > now or redis.call('SISMEMBER', line('void', priority), id) == 1 then
    put(id, priority, now)
  else
    open_line(priority)
    redis.call('RPUSH', line('line', priority), id)
  end
  note_retrying(id, failures)
  rings = rings + 1
  tell('queued', { id })
  return 'd'
end

changes['cancel'] = function(id, state, _, priority, place)
  local is_lost = state ~= 'active' and string.sub(value, 1, 5) == 'lost|'
  local undo = not ended[state] and not is_lost and undo_of(id)
  if undo and undo ~= '' then
    -- A run already undoes the steps of the job. The job ends when this run has ended.
    return 'a'
  elseif state == 'active' then
    notice(id, value)
    return 'a'
  elseif ended[state] or cancelled[id] then
    return 'r'
  end
  leave(id, priority, place)
  if undo then
    undo_first(id, 'c' .. value)
    rings = rings + 1
    return 'a'
  end
  redis.call('HSET', key('reasons'), id, value)
  cancelled[id], cancelled[#cancelled + 1] = true, id
  return 'd'
end

changes['remove'] = function(id, state, record, priority, place)
  if state == 'active' then
    return 'r'
  end
  revoke_put(id, record)
  if ended[state] then
    leave_state(id, state, place)
    forget({ id })
    tell('removed', { id })
  else
    leave(id, priority, place)
    end_as('cancelled', { id }, 0, 'removed')
  end
  return 'd'
end

changes['purge'] = function(id, state, _, priority, place)
  return purge_job(id, state, priority, place)
end

changes['purge-elsewhere'] = function(id, state, _, priority, place)
  return purge_job(id, state, priority, place, true)
end

-- Only a job with an age of its own can be unpinned (keeping.lua). Its place is `kept:`.
changes['unpin'] = function(id, state, _, _, place)
  if state ~= 'failed' then
    return 'r'
  elseif place then
    keeping().unpin(id, kept)
  end
  return 'd'
end

changes['run-now'] = function(id, state, _, priority)
  if state ~= 'delayed' then
    return 'r'
  end
  put_and_ring(id, priority, now)
  return 'd'
end

changes['reschedule'] = function(id, state, _, priority, place)
  if state ~= 'waiting' and state ~= 'delayed' then
    return 'r'
  end
  leave(id, priority, place)
  put_and_ring(id, priority, now + tonumber(value))
  return 'd'
end

changes['edit-active'] = function(id, state, record)
  local force, redact, payload = string.match(value, '^(!?)([^\30]*)\30(.*)$')
  if force == '' and has_recorded(id) or not payloads().is_changeable(record) then
    return 'r'
  end
  local changes = { editedAt = string.format('%.0f', now) }
  if redact ~= '' then
    changes.redact = redact ~= '[]' and redact or ''
  end
  local edited = string.sub(record, 1, payloads().payload_at(record) - 1) .. payload
  payloads().change_record(id, record, options().with_options(edited, changes))
  if state ~= 'active' then
    last_tokens().settles_no_more({ id })
  end
  return 'd'
end

changes['edit'] = function(id, state, record)
  return state == 'active' and 'r' or changes['edit-active'](id, state, record)
end

-- Whether jobs may go to the line of the new priority; nothing until the first job of the call asks. The
-- answer holds for all jobs of the call.
local is_open = value == '' or nil
changes['prioritize'] = function(id, state, record, priority, place)
  local after, lane, rest = string.match(record, '^(-?%d+),?-?%d*(@?[^,|]*)(.*)$')
  if state ~= 'waiting' and state ~= 'delayed' or not after then
    return 'r'
  end
  local to = value .. (string.match(priority, '@.*$') or '')
  local is_laned = string.find(priority, '@', 1, true)
  if to ~= priority and not is_laned and is_open == nil then
    is_open = may_open(value)
  end
  if to ~= priority and not is_laned and not is_open then
    return 'r'
  elseif to ~= priority then
    local line_of = value .. lane
    local is_bare = line_of == '' and string.sub(rest, 1, 1) == '|'
    leave(id, priority, place)
    redis.call('HSET', key('jobs'), id, after .. (is_bare and '' or ',') .. line_of .. rest)
    put(id, to, tonumber(place) or queued(id, record))
  end
  return 'd'
end

local function change_tags(id, _, record)
  local tagged = payloads().is_changeable(record) and options().with_tags(record, value, change == 'add-tags', MAX_TAGS)
  if not tagged then
    return 'r'
  end
  payloads().change_record(id, record, tagged)
  return 'd'
end

changes['report'] = function(id)
  if reports().keep_report(id, value) then
    for _, watcher in ipairs(watchers().watchers_of({ id })[1] or {}) do
      notify(watcher)
    end
  end
  return 'd'
end

changes['add-tags'], changes['remove-tags'] = change_tags, change_tags

-- Whether a job has ever begun. The stored counters do not include the run of an active or a completed job,
-- so the state is checked, too.
local function has_begun(id, state)
  return state == 'completed' or state == 'active' or counted(id) > 0
end

local states = {}
for state in string.gmatch(only, '%l+') do
  states[state] = true
end

-- The versions of the jobs that the caller has read.
local versions = {}
for version in string.gmatch(change == 'remove' and value or '', '[^,]+') do
  versions[#versions + 1] = version
end

local function version_of(id, state, record)
  local runs = counted(id) + (state == 'completed' and 1 or 0)
  local _, values = options().options_of(record)
  return state .. ' ' .. runs .. ' ' .. (values.editedAt or '')
end

local verdicts = {}
for i = 5, #ARGV do
  local state, record, priority, place = locate(ARGV[i])
  if not state and not string.find(change, '^purge') then
    verdicts[i - 4] = 'm'
  elseif is_of_new ~= '' and has_begun(ARGV[i], state) then
    verdicts[i - 4] = 'r'
  elseif only ~= '' and state and not states[state] then
    verdicts[i - 4] = 'r'
  elseif versions[i - 4] and state ~= 'active' and versions[i - 4] ~= version_of(ARGV[i], state, record) then
    verdicts[i - 4] = 'r'
  else
    verdicts[i - 4] = changes[change](ARGV[i], state, record, priority, place)
  end
end
-- The jobs are ended after all verdicts are known. If a job were ended earlier, and the call had its id
-- twice, the second verdict could be `missing`.
end_as('cancelled', cancelled, kept, 'untold')
if made.lanes then
  lanes().reposition_all()
  -- When a job leaves a lane, other jobs of the lane may begin. So callers are rung for these other jobs.
  rings = math.max(rings, #verdicts)
end
rouse(ring(rings))
local all = table.concat(verdicts)
if string.find(all, '[da]') then
  remember(all)
end
return all
