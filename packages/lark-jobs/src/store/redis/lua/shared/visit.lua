-- Several partitions in one script, where all are on one server: from here on `key` is of this one.
local function visit(partition)
  tag = string.match(tag, '^[^{]*') .. '{' .. partition .. '}:'
end
