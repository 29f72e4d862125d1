-- For scripts whose calls the store itself numbers, so that a call can be sent again. Three arguments of the
-- call come between ARGV[1] and the other arguments in the header of the script: the caller, the number of
-- the call, and the number of connections that were given up (calls.lua).
-- needs: calls
-- gives: recalled

-- Returns the earlier answer if the call was run before. Removes the three arguments of the call, so that
-- ARGV has only the arguments in the header of the script.
local function recalled()
  for i = 2, #ARGV do
    ARGV[i] = ARGV[i + 3]
  end
  return recall()
end
