-- The pause of a partition: `paused` in `settings`, in the form of `store/contract/rules/pause.ts`.
-- needs: start
-- gives: pause_left

-- The milliseconds that are left of a stored pause, infinite until somebody resumes; nothing if it is not
-- paused.
local function pause_left(text)
  local at = tonumber(text and string.match(text, '^%d+') or 0)
  return at == 1 and math.huge or at > now and at - now or nil
end
