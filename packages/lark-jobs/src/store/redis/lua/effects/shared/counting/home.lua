-- Counts the ends of nodes and members whose flow has this partition as its home. The step that ends the jobs
-- also counts the ends, so no effect is needed (effect.lua).
-- module: counting
-- needs: start, count
-- gives: count_at_home

-- The maximum size of an error message as JSON, in bytes. MAX_ERROR characters of any kind fit into it, and
-- the reader of the flow shortens the message to MAX_ERROR characters.
local longest_message = 3000

-- The message of the last error in a job's text of errors (report.lua), as JSON; nothing if there is no
-- error.
local function message_of(errors)
  local last = string.match(errors, '[^\n]*$')
  local _, from = string.find(last, '"message":"', 1, true)
  local at, over = (from or 0) + 1, (from or 0) + longest_message
  while from and at <= over do
    local stop = string.find(last, '["\\]', at)
    if not stop then
      return
    elseif string.byte(last, stop) == 34 then
      return string.sub(last, from, stop)
    elseif stop >= over then
      break
    end
    at = stop + (string.byte(last, stop + 1) == 117 and 6 or 2)
  end
  -- The message is too long. It is cut in front of an escape or a character that does not fit as a whole.
  return from and string.gsub(string.sub(last, from, math.max(at, over) - 1), '[\192-\255][\128-\191]*$', '') .. '"'
end

-- The end of a job, in the form of `flow-ends` (flows.lua).
local function ended_as(state, id, how)
  local letter, more = 'c', ''
  if state == 'failed' then
    local message = message_of(redis.call('HGET', key('errors'), id) or '')
    letter, more = 'f', message and '{"error":' .. message .. '}' or ''
  elseif state == 'cancelled' then
    local reason = how == 'removed' and how or redis.call('HGET', key('reasons'), id)
    letter, more = 'x', reason and '{"reason":"' .. string.match(reason, '^[%w-]*') .. '"}' or ''
  end
  return string.format('%s%.0f%s', letter, now, more)
end

-- The result of a node in the form that count.lua reads; '' if the node has no result.
local function result_of(state, id)
  local result = state == 'completed' and redis.call('HGET', key('results'), id)
  return result and '=' .. result or ''
end

-- Makes an empty group for the ending jobs whose ids begin with `head`, or {} if such jobs belong to no flow.
-- `flow`: the id of the flow, or false if its home is another partition. `runs`: the ranges of members that
-- completed (count.lua). `others`: the ends of nodes, and of members that did not complete.
local function group_of(id, head)
  local flow, home = string.match(head, '^([%w_-]+)%.(.+):$')
  if not string.find(id, '%d%d%d%d%d%d%d%d', -8) or not flow then
    return {}
  end
  return { head = head, flow = home == string.match(tag, '{(.*)}:$') and flow, runs = {}, others = {} }
end

-- Counts the ends of jobs whose flow has this partition as its home. `how`: see end.lua. Returns whether a
-- flow has become due. For flows with another home, also returns the groups with completed members, or
-- nothing; and the set of all other jobs of these flows, or nothing.
local function count_at_home(state, ids, how)
  local groups, flows, away, bundled, is_any_due = {}, {}, nil, nil, false
  for _, id in ipairs(ids) do
    local head = string.sub(id, 1, -9)
    local group = groups[head]
    if not group then
      group = group_of(id, head)
      groups[head], flows[#flows + 1] = group, group.flow and group or nil
    end
    local runs, others, index = group.runs, group.others, tonumber(string.sub(id, -8))
    if runs and state == 'completed' and index < NODES then
      if runs[#runs] == index - 1 then
        runs[#runs] = index
      else
        if #runs == 0 and not group.flow then
          bundled = bundled or {}
          bundled[#bundled + 1] = group
        end
        runs[#runs + 1], runs[#runs + 2] = index, index
      end
    elseif group.flow then
      local n = #others
      others[n + 1], others[n + 2] = string.format('%.0f', index), ended_as(state, id, how)
      others[n + 3] = index >= NODES and result_of(state, id) or ''
    elseif runs then
      away = away or {}
      away[id] = true
    end
  end
  for _, group in ipairs(flows) do
    local _, is_due = count_ends(group.flow, group.runs, group.others, 1, #group.others)
    is_any_due = is_any_due or is_due
  end
  if is_any_due then
    redis.call('HSETNX', key('settings'), 'flows', 1)
  end
  return is_any_due, bundled, away
end
