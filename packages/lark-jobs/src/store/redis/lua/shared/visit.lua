-- Lets one script work on several partitions of one server: from here on `key` makes the keys of this partition.
local function visit(partition)
  tag = string.match(tag, '^[^{]*') .. '{' .. partition .. '}:'
end
