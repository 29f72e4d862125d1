-- Decides for each job of a call whether the job is queued. `admit` is called only if some of the jobs may
-- have to be refused. `room`: how many more jobs the partition may hold. Returns the ids and records that the
-- caller must write, the answer of enqueue.lua, and how many callers to ring for delayed jobs that this
-- function has put into their lines. All other jobs that the caller must put into lines are in the `list` of
-- their series.
-- module: admission
-- needs: start, place, payloads, lock, locate, effects, keeping, gone, revoked, relayed
-- gives: admit

-- If the job with this id prevents a new job with the same id, returns the state of the present job; nothing
-- if the new job may take its place. `own`: `i` or `o` (`packing.ts`).
local function in_the_way(id, own)
  local state = locate(id)
  if redis.call('ZSCORE', key('effects:hook'), id) then
    -- No worker has called the hook of the class for the ended job yet, so the job still keeps its id. If the
    -- job was removed, its state is read from `ended`.
    return state or string.match(redis.call('HGET', key('ended'), id) or 'cancelled', '^%a+')
  end
  if not state and gone(id) == 'moving' then
    return 'waiting'
  end
  local is_over = state == 'completed' or state == 'failed' or state == 'cancelled'
  return not (is_over and own == 'o') and state or nil
end

-- Returns the letter of the verdict, and with some letters the id or the state of the other job; nothing if
-- the new job is queued. `before`: the state of the job that has the id already, or true; false if no job
-- prevents the new job.
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
          -- The record is written at once, so that a later job of this call with the same lock finds this job
          -- as the holder.
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
