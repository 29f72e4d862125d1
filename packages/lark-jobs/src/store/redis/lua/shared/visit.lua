-- Lets one script work on several partitions of one server: from here on `key` makes the keys of this
-- partition.
-- needs: start
-- gives: visit
local function visit(partition)
  tag = string.match(tag, '^[^{]*') .. '{' .. partition .. '}:'
end
