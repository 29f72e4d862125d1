-- Counts the ends of jobs of flows whose home is the partition of this script: in the same step that ends the
-- jobs, so no effect is needed (effect.lua).
-- module: counting
-- needs: start, count
-- gives: count_at_home

-- Bytes of the JSON of a message: MAX_ERROR characters fit, whichever they are. The reader shortens it to
-- MAX_ERROR.
local longest_message = 3000

-- The message of the last of some errors (report.lua), as JSON; nothing if there is none.
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
  -- Cut so that no escape and no character is cut in two.
  return from and string.gsub(string.sub(last, from, math.max(at, over) - 1), '[\192-\255][\128-\191]*$', '') .. '"'
end

-- How a job ended, as flows.lua keeps it.
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

-- The result of a node in the form that count.lua takes; or why it was not kept.
local function result_of(state, id)
  local result = state == 'completed' and redis.call('HGET', key('results'), id)
  return result and '=' .. result or ''
end

-- An empty group for the ending jobs whose ids begin with `head`; {} if these are not jobs of flows. `flow`:
-- the id of their flow if this partition keeps it. `runs`: the completed members, as in count.lua. `others`:
-- the other ends of members, and those with a result.
local function group_of(id, head)
  local flow, home = string.match(head, '^([%w_-]+)%.(.+):$')
  if not string.find(id, '%d%d%d%d%d%d%d%d', -8) or not flow then
    return {}
  end
  return { head = head, flow = home == string.match(tag, '{(.*)}:$') and flow, runs = {}, others = {} }
end

-- Counts those of the ending jobs whose flows are at home. `how`: as in end.lua. Returns whether a flow has
-- become due; the completed members of other flows, by flow, or nothing if there are none; and the other jobs
-- of other flows, as a set, or nothing.
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
