-- Decides one by one which jobs of a call are queued, when perhaps not all of them may be. `room`: how many more the
-- partition may hold. Returns the ids and records that are still to be written, the answer (`enqueue.lua`), and how
-- many callers to ring for delayed jobs that are in their place already. The jobs that still go into a line are in the
-- `list` of each run.
-- module: admission
-- needs: start, place, payloads, lock
-- gives: admit

local function judge(run, id, record, large, room, is_known)
  if is_known then
    return 'e'
  elseif room <= 0 then
    return 'f'
  elseif run.lock ~= '' then
    return meet(run.lock, id, record, large)
  end
end

local function admit(ids, records, runs, large, room)
  local known = redis.call('HMGET', key('jobs'), unpack(ids))
  local verdicts, refused, rest, seen, is_all, rings = {}, {}, {}, {}, true, 0
  for _, run in ipairs(runs) do
    run.list = {}
    for i = run.first, run.last do
      local id, record = ids[i], records[2 * i]
      local verdict, by = judge(run, id, record, large[i], room, known[i] or seen[id])
      verdicts[i] = verdict or 'q'
      refused[#refused + 1] = by and '\n' .. by
      if verdict then
        is_all = false
      else
        seen[id], room = true, room - 1
        payloads().keep_payloads({ large[i] and id, large[i] })
        if run.lock == '' then
          rest[#rest + 1] = id
          rest[#rest + 1] = record
        else
          -- Written now, so that the next job of this call finds the lock's job.
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
      end
    end
    run.hooked = ''
  end
  return rest, is_all and '' or table.concat(verdicts) .. table.concat(refused), rings
end
