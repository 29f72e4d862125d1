-- Lets one script work on several partitions of a server: after this call, `key` makes the keys of the given
-- partition.
-- needs: start
-- gives: visit
local function visit(partition)
  tag = string.match(tag, '^[^{]*') .. '{' .. partition .. '}:'
end
