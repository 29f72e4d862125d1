-- The options in a record, which are JSON text. A change of an option edits this text, and does not parse it
-- with `cjson`: `cjson` would write an empty list as an object, and lose digits of large numbers.
-- module: options
-- gives: options_of, with_options, with_tags

-- The position after the JSON string that begins with a quotation mark at `at`.
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

-- Returns the names of the options of a record, in order, and the JSON text of each value by name.
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

-- Returns the record with changed options. `changes`: the JSON texts of new values by name; '' removes an
-- option. Damaged options stay unchanged.
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

-- Returns the strings in the JSON text of a list of strings, each as JSON.
local function texts_in(list)
  local found, from = {}, string.find(list, '"', 1, true)
  while from do
    local after = past_text(list, from)
    found[#found + 1] = string.sub(list, from, after - 1)
    from = string.find(list, '"', after, true)
  end
  return found
end

-- Returns the record with more tags (`is_more`) or with fewer tags. `list`: the tags to add or to remove, as
-- a JSON list. Returns nothing if the record would have more than `most` tags, or if its options are damaged.
local function with_tags(record, list, is_more, most)
  local _, values = options_of(record)
  local changed, tags = {}, {}
  for _, text in ipairs(texts_in(list)) do
    changed[text] = true
  end
  for _, text in ipairs(texts_in(values.tags or '')) do
    if is_more or not changed[text] then
      tags[#tags + 1], changed[text] = text, nil
    end
  end
  for _, text in ipairs(is_more and texts_in(list) or {}) do
    if changed[text] then
      tags[#tags + 1], changed[text] = text, nil
    end
  end
  local is_damaged = string.find(record, '^[^,|]*,[^,|]*,[^{|]')
  if not is_damaged and not (is_more and #tags > most) then
    return with_options(record, { tags = #tags > 0 and '[' .. table.concat(tags, ',') .. ']' or '' })
  end
end
