-- A change that the store itself numbers, so that it can be sent again: its caller, its number and its
-- connection (calls.lua) are in front of the arguments that the header of the script names.
-- needs: calls
-- gives: recalled

-- Returns the earlier answer, if the call was made before. Leaves only the arguments of the script itself.
local function recalled()
  for i = 2, #ARGV do
    ARGV[i] = ARGV[i + 3]
  end
  return recall()
end
