-- The pause of a partition: `paused` in `settings`, in the form of `store/contract/rules/pause.ts`.
-- needs: start
-- gives: pause_left, limits_in

-- The milliseconds until a stored pause ends; infinite if the pause lasts until somebody resumes the
-- partition; nothing if the partition is not paused.
local function pause_left(text)
  local at = tonumber(text and string.match(text, '^%d+') or 0)
  return at == 1 and math.huge or at > now and at - now or nil
end

-- The part of the text with the limits of the partition, with the `;` in front; '' if there are no limits.
local function limits_in(text)
  return text and string.match(text, '^%d*(;[^|]*)') or ''
end
