-- Puts jobs into their lines and lanes, and takes them out. New state: add how a job enters and leaves it.
-- needs: line, lanes
-- gives: put, leave

-- Puts a job at its place. Returns whether it is now the first job of its line to be due. `is_back`: the job
-- had begun.
local function put(id, priority, place, is_back)
  if string.find(priority, '@', 1, true) then
    return lanes().put_in_lane(id, priority, place, is_back)
  end
  open_line(priority)
  local due = line('due', priority)
  redis.call('ZADD', due, place, id)
  return redis.call('ZRANGE', due, 0, 0)[1] == id
end

-- Takes a job out of its line. `place`: its place in the `due` half, if it is there.
local function leave(id, priority, place)
  if string.find(priority, '@', 1, true) then
    lanes().leave_lane(id, priority)
  elseif place then
    redis.call('ZREM', line('due', priority), id)
  else
    redis.call('SADD', line('void', priority), id)
  end
end
