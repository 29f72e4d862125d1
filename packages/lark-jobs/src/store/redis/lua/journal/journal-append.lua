-- journal-append: adds entries to the journal of a job that no worker holds.
--
-- KEYS[1]  jobs        HASH id -> record
-- ARGV[1]  clock: the time in milliseconds since 1970, or '' for the server's clock
-- ARGV[2]  the id of the job
-- ARGV[3]  the index of the first entry
-- ARGV[4…] the entries
-- Returns  the verdict (`store/contract/journals.ts`)
-- Cost     O(n) for n entries
-- needs: start, locate, recordings

local id, at = ARGV[2], tonumber(ARGV[3])
local state = locate(id)
if not state or redis.call('EXISTS', key('steps:' .. id)) == 0 then
  return 'missing'
elseif state == 'active' then
  return 'active'
end
local name, entries = key('steps:' .. id), { unpack(ARGV, 4) }
local count = recordings().entry_count(id)
if count == at then
  recordings().keep_entries(id, at, entries)
  return 'added'
elseif count ~= at + #entries then
  return 'changed'
end
for i, entry in ipairs(redis.call('LRANGE', name, at + 1, -1)) do
  if entry ~= entries[i] then
    return 'changed'
  end
end
return 'added'
