-- The pause of a partition: `paused` in `settings`, in the form of `store/contract/rules/pause.ts`.
-- needs: start
-- gives: pause_left, limits_in

-- The remaining milliseconds of a stored pause, infinite if it lasts until somebody resumes; nothing if the
-- partition is not paused.
local function pause_left(text)
  local at = tonumber(text and string.match(text, '^%d+') or 0)
  return at == 1 and math.huge or at > now and at - now or nil
end

-- The part of the text that has the limits of the partition, with its separator; '' if there are none.
local function limits_in(text)
  return text and string.match(text, '^%d*(;[^|]*)') or ''
end
