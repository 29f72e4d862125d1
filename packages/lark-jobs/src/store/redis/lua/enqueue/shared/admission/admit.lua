-- Decides for each job of a call whether the job is queued. `admit` is called only if some of the jobs may
-- have to be refused. `room`: how many more jobs the partition may hold. Returns the ids and records that the
-- caller must write, the answer (`enqueue.lua`), and how many callers to ring for delayed jobs that are
-- already in their line. The jobs that the caller must put into a line are in the `list` of each run.
-- module: admission
-- needs: start, place, payloads, lock, locate, effects, keeping, gone, revoked, relayed
-- gives: admit

-- The state of the job with an id that the application chose, if that job blocks a new one with the id.
-- `own`: see `packing.ts`. Nothing if the new job may take its place.
local function in_the_way(id, own)
  local state = locate(id)
  if redis.call('ZSCORE', key('effects:hook'), id) then
    -- A hook of the class of the ended job has not been called yet, so the job still blocks its id. A job
    -- that was removed no longer has a state.
    return state or string.match(redis.call('HGET', key('ended'), id) or 'cancelled', '^%a+')
  end
  if not state and gone(id) == 'moving' then
    return 'waiting'
  end
  local is_over = state == 'completed' or state == 'failed' or state == 'cancelled'
  return not (is_over and own == 'o') and state or nil
end

-- Returns the letter of the verdict and the other job or its state; nothing if the job is queued. `before`:
-- the state of the job that blocks the id, or true; false if no job blocks the id.
local function judge(run, record, large, room, before)
  if before and run.own == '' then
    return 'e'
  elseif before then
    return 'x', before
  elseif room <= 0 then
    return 'f'
  end
  local verdict, by
  if run.lock ~= '' then
    verdict, by = meet(run.lock, record, large)
  end
  if not verdict and run.is_crowded then
    verdict = 'p'
  end
  return verdict, by
end

local function admit(ids, records, runs, large, room)
  local known = redis.call('HMGET', key('jobs'), unpack(ids))
  local verdicts, refused, rest, seen, is_all, rings = {}, {}, {}, {}, true, 0
  for _, run in ipairs(runs) do
    run.list = {}
    for i = run.first, run.last do
      local id, record = ids[i], records[2 * i]
      local before = seen[id] or known[i] and (run.own == '' or in_the_way(id, run.own))
      local verdict, by
      if run.relayed and (run.own == 'o' or not known[i]) and came_before(id, run.own, record) then
        verdict = 'e'
      else
        verdict, by = judge(run, record, large[i], room, before)
      end
      verdicts[i] = verdict or 'q'
      refused[#refused + 1] = by and '\n' .. by
      if verdict then
        is_all = false
      else
        if known[i] then
          revoke_put(id, known[i])
          effects().purge(id)
        end
        if run.lock ~= '' then
          hold(run.lock, id)
        end
        seen[id], room = run.delay == '' and 'waiting' or 'delayed', room - 1
        payloads().keep_payloads({ large[i] and id, large[i] })
        if run.lock == '' then
          rest[#rest + 1] = id
          rest[#rest + 1] = record
        else
          -- This job is written at once, so that the next job of this call finds it as the holder of the
          -- lock.
          redis.call('HSET', key('jobs'), id, record)
        end
        if run.lock == '' or run.delay == '' then
          run.list[#run.list + 1] = id
        elseif put(id, run.priority, now + tonumber(run.delay)) then
          rings = rings + 1
        end
        if run.hooked ~= '' then
          redis.call('HSET', key('hooked'), id, 1)
        end
        if run.direct ~= '' then
          redis.call('HSET', key('direct'), id, 1)
        end
        if run.keep then
          keeping().carry({ id }, run.keep)
        end
        if run.relayed then
          note_relayed(id, run.own, record)
        end
      end
    end
    run.hooked, run.direct, run.keep = '', '', nil
  end
  return rest, is_all and '' or table.concat(verdicts) .. table.concat(refused), rings
end
