-- Notes that a claimed job has begun (holder.lua).
-- module: beginnings
-- needs: start, holder, event
-- gives: note_beginning

-- Returns the new `start` of a holder field when a worker reports that the job has begun.
local function started(start, alone)
  if alone == '-' then
    return start
  elseif start == 'a' or alone == '1' then
    return ''
  end
  return (start == 's' or alone == '0') and 'b' or start
end

-- Notes in the holder field that a claimed job has begun. `alone`: for a suspect, 1 if it runs alone from now
-- on, or 0 if it runs beside other jobs; - if the job has not begun; '' if the worker did not say whether the
-- job runs alone.
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
