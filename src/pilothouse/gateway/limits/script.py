"""The script that leases from a limit of all hosts, run by Valkey or Redis as one step.

It keeps for each gate a hash of buckets (`r<bucket>`, `t<bucket>`), one of workers and their calls under way,
and two of hosts and what each has spent today and this month: each host states its own sum, so that nothing
is added twice, and all is there again after the store lost its memory. Time is the store's own. Refuses to
know workers. Invariant: what stands in the buckets of the window never exceeds the limit but by what was used
without a lease.
"""

from typing import Final

LEASE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local width, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket = math.floor(now / width)
local kept, sum = {r = {}, t = {}}, {r = 0, t = 0}
local cells = redis.call('HGETALL', KEYS[1])
for i = 1, #cells, 2 do
  local kind, at = string.sub(cells[i], 1, 1), tonumber(string.sub(cells[i], 2))
  if at < bucket - keep then
    redis.call('HDEL', KEYS[1], cells[i])
  else
    kept[kind][at] = tonumber(cells[i + 1])
    sum[kind] = sum[kind] + kept[kind][at]
  end
end
local function add(kind, at, count)
  if count == 0 then return end
  redis.call('HINCRBY', KEYS[1], kind .. string.format('%.0f', at), string.format('%.0f', count))
  kept[kind][at] = (kept[kind][at] or 0) + count
  sum[kind] = sum[kind] + count
end
for i = 16, #ARGV, 3 do
  local kind, at = ARGV[i], tonumber(ARGV[i + 1])
  add(kind, at, -math.min(kept[kind][at] or 0, tonumber(ARGV[i + 2])))
end
local function lease(kind, limit, want, owed)
  add(kind, bucket, owed)
  if limit < 0 or want <= 0 then return 0, 0 end
  local got = math.max(0, math.min(want, limit - sum[kind]))
  add(kind, bucket, got)
  if got > 0 then return got, 0 end
  local held, freed = {}, 0
  for at, count in pairs(kept[kind]) do
    if count > 0 then held[#held + 1] = at end
  end
  table.sort(held)
  for _, at in ipairs(held) do
    freed = freed + kept[kind][at]
    if sum[kind] - freed < limit then return 0, (at + keep + 1) * width - now end
  end
  return 0, 0
end
local requests, requests_wait = lease('r', tonumber(ARGV[3]), tonumber(ARGV[4]), 0)
local tokens, tokens_wait = lease('t', tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
redis.call('PEXPIRE', KEYS[1], (keep + 2) * width)

local units, others = 0, 0
local limit, want, busy = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
if limit >= 0 then
  local workers = redis.call('HGETALL', KEYS[2])
  for i = 1, #workers, 2 do
    local count, at = string.match(workers[i + 1], '(%d+):(%d+)')
    if now - tonumber(at) > tonumber(ARGV[12]) then
      redis.call('HDEL', KEYS[2], workers[i])
    elseif workers[i] ~= ARGV[8] then
      others = others + tonumber(count)
    end
  end
  units = math.max(busy, math.min(want, limit - others), 0)
  if units > 0 then
    redis.call('HSET', KEYS[2], ARGV[8], string.format('%d:%.0f', units, now))
    redis.call('PEXPIRE', KEYS[2], ARGV[12])
  else
    redis.call('HDEL', KEYS[2], ARGV[8])
  end
end

local function elsewhere(key, own, ttl)
  if own == '' then return '0' end
  redis.call('HSET', key, ARGV[13], own)
  redis.call('EXPIRE', key, ttl)
  local total = 0
  local hosts = redis.call('HGETALL', key)
  for i = 1, #hosts, 2 do
    if hosts[i] ~= ARGV[13] then total = total + tonumber(hosts[i + 1]) end
  end
  return string.format('%.0f', total)
end
local day = elsewhere(KEYS[3], ARGV[14], 172800)
local month = elsewhere(KEYS[4], ARGV[15], 3456000)
return {string.format('%.0f', bucket), requests, requests_wait, tokens, tokens_wait, units, day, month}
"""
"""Keys: windows, workers, day, month.

Arguments: 1 width of a bucket in ms, 2 buckets kept, 3 limit and 4 wish of requests, 5 limit and 6 wish of
tokens, 7 tokens used without a lease, 8 worker, 9 limit of calls under way, 10 wished and 11 held, 12 how
long a silent worker counts in ms, 13 host, 14 its spending today and 15 this month (empty: no budget), then
triples of kind, bucket and count that go back."""
