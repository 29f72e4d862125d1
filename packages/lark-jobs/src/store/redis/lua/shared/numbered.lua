-- The head of a script whose calls the store itself numbers, so that a call can be sent again. The caller,
-- the number and the connection of the call (calls.lua) come before the arguments that the header of the
-- script names.
-- needs: calls
-- gives: recalled

-- Returns the earlier answer, if the call was run before. Removes the three arguments of the call, so that
-- ARGV has only the arguments of the script itself.
local function recalled()
  for i = 2, #ARGV do
    ARGV[i] = ARGV[i + 3]
  end
  return recall()
end
