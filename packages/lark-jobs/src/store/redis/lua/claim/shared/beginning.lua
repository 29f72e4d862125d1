-- The beginning of a job that a claim has brought (holder.lua).
-- module: beginnings
-- needs: start, holder, event
-- gives: note_beginning

-- The new `start` of a holder field when a worker says that the job has begun.
local function started(start, alone)
  if alone == '-' then
    return start
  elseif start == 'a' or alone == '1' then
    return ''
  end
  return (start == 's' or alone == '0') and 'b' or start
end

-- Notes that a held job runs. `alone`: 1 if a suspect runs alone from now on, 0 if not, '' if nothing is said
-- of that; - if the job has not begun.
local function note_beginning(id, holder, token, alone)
  local _, start = read_holder(holder)
  local has = started(start, alone)
  if has ~= start then
    redis.call('HSET', key('holders'), id, token .. '|' .. has .. string.sub(holder, #token + 2 + #start))
    if not has_begun(start) and has_begun(has) then
      tell('started', { id })
    end
  end
end
