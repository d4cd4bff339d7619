-- Applies one save of a market's views if they are at the revision it was computed from; answers 1, else 0.
-- KEYS: keys.PARTS in order. ARGV: epoch, revision, then commands: name, key number, argument count, arguments...
local found = redis.call('HMGET', KEYS[1], 'epoch', 'revision')
if found[1] then
  if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then
    return 0
  end
elseif ARGV[2] ~= '0' then
  return 0
else
  -- Views that are built anew: whatever else is left of older ones goes.
  redis.call('DEL', unpack(KEYS))
end
local at = 3
while at <= #ARGV do
  local command, key, count = ARGV[at], KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 2])
  local first = at + 3
  at = first + count
  -- In slices of an even number: Lua cannot unpack a long list at once.
  while first < at do
    local last = math.min(first + 999, at - 1)
    redis.call(command, key, unpack(ARGV, first, last))
    first = last + 1
  end
end
return 1
