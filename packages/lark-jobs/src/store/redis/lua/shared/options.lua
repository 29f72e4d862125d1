-- The options in a record: JSON text. A change finds the members in the text and leaves the others as they are, because
-- `cjson` would make an object of an empty list, and lose digits of large numbers.
-- module: payloads
-- gives: options_of, with_options

-- The position after the text that begins at `at`.
local function past_text(json, at)
  local from, _, char = string.find(json, '(["\\])', at + 1)
  while char == '\\' do
    from, _, char = string.find(json, '(["\\])', from + 2)
  end
  return (from or #json) + 1
end

-- The position after the JSON value that begins at `at`.
local function past(json, at)
  local depth = 0
  local from, _, char = string.find(json, '(["{}%[%],])', at)
  while from and (depth > 0 or not string.find(char, '[,}%]]')) do
    if char == '{' or char == '[' then
      depth = depth + 1
    elseif char == '}' or char == ']' then
      depth = depth - 1
    end
    from, _, char = string.find(json, '(["{}%[%],])', char == '"' and past_text(json, from) or from + 1)
  end
  return from or #json + 1
end

-- The options of a record: their names in order, and the JSON texts of their values by name.
local function options_of(record)
  local json = string.match(record, '^[^,|]*,[^,|]*,([^|]*)|') or ''
  local names, values = {}, {}
  local _, to, name = string.find(json, '^{"([^"]*)":')
  while name do
    local after = past(json, to + 1)
    names[#names + 1], values[name] = name, string.sub(json, to + 1, after - 1)
    _, to, name = string.find(json, '^,"([^"]*)":', after)
  end
  return names, values
end

-- The record with changed options. `changes`: JSON texts by name; '' removes an option. Damaged options stay as they
-- are.
local function with_options(record, changes)
  local after, line, json, rest = string.match(record, '^([^,|]*),?([^,|]*),?([^|]*)(|.*)$')
  if json ~= '' and string.byte(json) ~= 123 then
    return record
  end
  local names, values = options_of(record)
  for name, value in pairs(changes) do
    names[#names + 1] = not values[name] and name or nil
    values[name] = value
  end
  local parts = {}
  for _, name in ipairs(names) do
    parts[#parts + 1] = values[name] ~= '' and '"' .. name .. '":' .. values[name] or nil
  end
  local options = #parts > 0 and ',{' .. table.concat(parts, ',') .. '}' or ''
  return after .. ((line ~= '' or options ~= '') and ',' .. line or '') .. options .. rest
end
