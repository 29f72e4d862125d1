-- Decides what becomes of a job when its run has ended, or when its worker has died. The rules are the same
-- as in `store/contract/rules/after-run.ts`. Jobs that completed are ended together, in settle.lua.
-- module: after_run
-- needs: start, line, place, lanes, counters, reports, lease, end, ring, event, pausing, last_tokens, undoing, holder, recordings, journals, retrying
-- gives: outcomes, take_back

-- The text of a notice without its time. This text is kept when the job has ended.
local function untimed(notice)
  return (string.gsub(notice, '^([^|@]*)@%d+', '%1'))
end

-- Puts a job back into its line, or cancels the job if there is a notice to cancel it. `event`: the event for
-- listeners, or nothing. `failures`: how often the job has failed; nothing if the run does not count.
local function fall_back(id, place, job, event, failures)
  local undo = job.notice and undo_of(id)
  if undo == '' then
    ring_counts.again = ring_counts.again + 1
    return undo_first(id, 'c' .. untimed(job.notice))
  elseif job.notice and not undo then
    redis.call('HSET', key('reasons'), id, untimed(job.notice))
    return end_as('cancelled', { id }, job.kept.cancelled, 'untold')
  end
  local queued_at, priority = queued(id, redis.call('HGET', key('jobs'), id))
  place = place or queued_at
  tell(event, event and { id } or {})
  note_retrying(id, failures, place)
  local next_one = put(id, priority, place, true)
  if place <= now then
    ring_counts.again = ring_counts.again + 1
  elseif next_one then
    ring_counts.later = ring_counts.later + 1
  end
end

-- A function for each kind of outcome. New outcome: add what becomes of the job. `job` has the holder field
-- of the job, the notice to cancel the job if there is one, and how many ended jobs of each state are kept.
local outcomes = {}

-- value: milliseconds until the retry | the error
function outcomes.retried(id, value, job)
  local after, failure = string.match(value, '^(%d+)|(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures + 1, crashes, releases)
  reports().keep_error(id, failure)
  fall_back(id, now + tonumber(after), job, 'retrying', failures + 1)
end

-- value: the milliseconds for which the job is delayed; `g` or `q` if the group or the queue of the job is
-- paused for the same time, or `s` if the worker could not read the job; `=` if the job keeps its place; `|`
-- and the reason, if there is one
function outcomes.released(id, value, job)
  local after, what, stays, because = string.match(value, '^(%d+)([gqs]?)(=?)|?(.*)$')
  local runs, failures, crashes, releases = counted(id)
  local _, _, place, lane = read_holder(job.holder)
  count(id, runs + 1, failures, crashes, releases + 1)
  if what == 's' then
    local since = stranded_since(id, runs) or string.format('%.0f', place or queued(id, redis.call('HGET', key('jobs'), id)))
    because = '\30' .. since .. '|' .. because
  end
  if because ~= '' then
    redis.call('HSET', key('reasons'), id, (runs + 1) .. '|' .. because)
  end
  fall_back(id, stays == '' and now + tonumber(after) or place, job, 'released', failures)
  if what == 's' and not job.notice then
    note_stranded(id, runs + 1, now + tonumber(after))
  end
  local group = string.match(lane or '', '^[^^]*')
  if what == 'q' then
    pausing().pause_for(tonumber(after), because ~= '' and '|' .. string.gsub(because, '\31', ' ') or '')
  elseif what == 'g' and group ~= '' and now + tonumber(after) > lanes().paused_until(group) then
    lanes().pause(group, now + tonumber(after), '')
  end
end

-- value: the milliseconds for which the job is suspended; `|` and how many signals the run knew; `!` if the
-- time of the suspension must be measured; `|` and the signals for which the job waits
-- (`contract/rules/reason.ts`)
function outcomes.suspended(id, value, job)
  local after, heard, rests, waits = string.match(value, '^(%d+)|(%d+)(!?)|(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures, crashes, releases)
  local is_told = redis.call('LLEN', key('signals:' .. id)) > tonumber(heard)
  recordings().open_journal(id)
  if rests ~= '' then
    journals().rest(id)
  end
  if string.byte(waits) == 27 then
    redis.call('HSET', key('undos'), id, string.sub(waits, 2))
    waits, failures = '', 0
    count(id, runs + 1, 0, 0, releases)
  end
  redis.call('HSET', key('reasons'), id, waits == '' and '\27' or runs + 1 .. '|' .. waits)
  fall_back(id, is_told and now or now + tonumber(after), job, 'suspended', failures)
  if waits ~= '' and not job.notice then
    redis.call('SADD', key('suspended'), id)
  end
end

-- value: milliseconds until the job is due, or nothing if it keeps its place
function outcomes.unstarted(id, value, job)
  local _, start, place = read_holder(job.holder)
  local due = value == '' and place or value ~= '' and now + tonumber(value) or nil
  fall_back(id, due, job, has_begun(start) and 'returned')
end

-- value: `!` if the worker did not call `failed()` of the class; the fingerprint of the error (`Outcome`);
-- the error. Returns whether a run must undo the steps of the job before it fails
function outcomes.failed(id, value, job)
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures + 1, crashes, releases)
  local untold, kind, failure = string.match(value, '^(!?)(%x*)(.*)$')
  if kind ~= '' then
    ends.kinds = ends.kinds or {}
    ends.kinds[id] = kind
  end
  if is_undone_first(id, 'f' .. failure) then
    ring_counts.again = ring_counts.again + 1
    return true
  end
  reports().keep_error(id, failure)
  end_as('failed', { id }, job.kept.failed, untold ~= '' and 'untold' or nil)
end

-- value: the reason, `|`, and the error if there is one
function outcomes.cancelled(id, value, job)
  local reason, failure = string.match(value, '^(.-)|(.*)$')
  local runs, failures, crashes, releases = counted(id)
  count(id, runs + 1, failures, crashes, releases)
  -- If the notice has the same reason as the outcome, the job keeps the notice, which may have the words of a
  -- person.
  local undo = undo_of(id) or ''
  local notice = undo ~= '' and string.sub(undo, 2) or job.notice
  local why = notice and string.match(notice, '^[^|@]*') == reason and untimed(notice) or reason
  if failure ~= '' then
    reports().keep_error(id, failure)
  end
  if is_undone_first(id, 'c' .. why) then
    ring_counts.again = ring_counts.again + 1
    return
  end
  redis.call('HSET', key('reasons'), id, why)
  end_as('cancelled', { id }, job.kept.cancelled)
end

-- Takes a job back from its worker. `cause`: the error for a crash, as JSON without its first field, or
-- nothing if no crash is to be counted. A job that had not started counts no crash. `is_unread`: the worker
-- has not read the claim. `from_within`: the process of the worker ended from within. Returns the state in
-- which the caller must end the job, or `pending` if the job went back to its line; and whether a crash was
-- counted.
local function take_back(id, holder, cause, is_unread, from_within)
  local token, start, place = read_holder(holder)
  local undo = undo_of(id)
  local reason = (not undo or undo == '') and redis.call('HGET', key('notices'), id)
  local record, has_crashed = redis.call('HGET', key('jobs'), id), false
  local crash = not is_unread and cause
  if has_begun(start) then
    tell(crash and 'crashed' or 'returned', (crash or not reason) and { id } or {})
  end
  if has_begun(start) and not is_unread then
    local runs, failures, crashes, releases = counted(id)
    count(id, runs + 1, failures, cause and crashes + 1 or crashes, releases)
    if cause then
      has_crashed = true
      local most, failure = crash_limit(record, from_within and MAX_CRASHES or MAX_CRASHES_UNSURE), '{"run":' .. runs + 1 .. cause
      local is_last = crashes + 1 >= (start == 'b' and math.max(most, MAX_CRASHES_UNSURE) or most)
      if is_last and is_undone_first(id, 'f' .. failure) then
        return 'pending', true
      end
      reports().keep_error(id, failure)
      if is_last then
        return 'failed', true
      end
    end
  end
  if reason and is_undone_first(id, 'c' .. untimed(reason)) then
    return 'pending', has_crashed
  elseif reason then
    redis.call('HSET', key('reasons'), id, untimed(reason))
    return 'cancelled', has_crashed
  end
  local queued_at, priority = queued(id, record)
  note_retrying(id, nil, place or queued_at)
  put(id, priority, place or queued_at, true)
  if not is_unread then
    local is_undoing = undo and undo ~= ''
    last_tokens().may_settle(id, has_begun(start) and not is_undoing and token or 1)
  end
  return 'pending', has_crashed
end
