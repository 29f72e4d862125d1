-- Jobs of a call that may not all be queued, looked at one by one. `room`: so many more may be. Returns ids and records of
-- those that are still to be written, the answer (`enqueue.lua`), and how many callers there are to ring for what is in its
-- place already. What is to be lined up is the `list` of each run.
-- include: counters
-- include: locate
-- include: lock

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
        keep_payloads({ large[i] and id, large[i] })
        if run.lock == '' then
          rest[#rest + 1] = id
          rest[#rest + 1] = record
        else
          -- Now, so that the next of this call finds it.
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
