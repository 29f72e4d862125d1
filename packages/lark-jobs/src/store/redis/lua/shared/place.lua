-- Puts jobs into their lines and lanes, and takes jobs out of their lines and lanes. New state: add how a job
-- enters and leaves it.
-- needs: line, lanes
-- gives: put, leave

-- Puts a job into the `due` half of its line, or into its lane, at its place. Returns whether the job is now
-- the first of its line to be due. `is_back`: whether the job comes back from a claim.
local function put(id, priority, place, is_back)
  if string.find(priority, '@', 1, true) then
    return lanes().put_in_lane(id, priority, place, is_back)
  end
  open_line(priority)
  local due = line('due', priority)
  redis.call('ZADD', due, place, id)
  return redis.call('ZRANGE', due, 0, 0)[1] == id
end

-- Takes a job out of its line or lane. `place`: the place of the job if it is in the `due` half of its line;
-- nothing if it is in the list.
local function leave(id, priority, place)
  if string.find(priority, '@', 1, true) then
    lanes().leave_lane(id, priority)
  elseif place then
    redis.call('ZREM', line('due', priority), id)
  else
    redis.call('SADD', line('void', priority), id)
  end
end
