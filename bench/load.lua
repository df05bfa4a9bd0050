-- The load that wrk gives, and the check of every answer that comes back.
-- Environment: BENCH_BODY (file of the request's body), BENCH_HEADERS (lines `name: value`),
-- BENCH_TEXT (the text that a right answer holds), BENCH_TOKENS (its number of tokens).
-- An answer seen before and found right is not looked at again: equal bytes are equally right.

local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
for name, value in (os.getenv("BENCH_HEADERS") or ""):gmatch("([^:\n]+): *([^\n]*)") do
  wrk.headers[name] = value
end

local text = os.getenv("BENCH_TEXT")
local tokens = tonumber(os.getenv("BENCH_TOKENS"))
local threads = {}
local seen, remembered = {}, 0
wrong, first_wrong = 0, ""

function setup(thread)
  table.insert(threads, thread)
end

local function is_stream_right(body)
  local pieces, count = {}, 0
  for piece in body:gmatch('"content": ?"([^"]*)"') do
    if piece ~= "" then
      count = count + 1
      pieces[count] = piece
    end
  end
  return count == tokens and table.concat(pieces) == text and body:find("data: %[DONE%]%s*$") ~= nil
end

local function is_plain_right(body)
  local content = body:match('"content": ?"([^"]*)"')
  return content == text and tonumber(body:match('"completion_tokens": ?(%d+)')) == tokens
end

function response(status, headers, body)
  if seen[body] and status == 200 then
    return
  end
  local right
  if body:sub(1, 5) == "data:" or body:sub(1, 1) == ":" then
    right = is_stream_right(body)
  else
    right = is_plain_right(body)
  end
  if status ~= 200 or not right then
    wrong = wrong + 1
    if wrong == 1 then
      first_wrong = status .. " " .. body:sub(1, 300)
    end
  elseif remembered < 64 then
    remembered = remembered + 1
    seen[body] = true
  end
end

local function quoted(value)
  return '"' .. value:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function done(summary, latency, requests)
  local count, example = 0, ""
  for _, thread in ipairs(threads) do
    count = count + thread:get("wrong")
    example = example .. thread:get("first_wrong")
  end
  local e = summary.errors
  io.write(string.format(
    '\nBENCH {"requests":%d,"seconds":%.6f,"bytes":%d,"socket_errors":%d,"timeouts":%d,"wrong":%d,'
      .. '"p50_us":%d,"p99_us":%d,"max_us":%d,"example":%s}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect + e.read + e.write, e.timeout,
    count, latency:percentile(50), latency:percentile(99), latency.max, quoted(example)))
end
