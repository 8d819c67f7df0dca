-- wrk's part of bench.bench_ingest: every request is another driver's next batch of fixes, as a phone's browser sends
-- them. Arguments: a file with one device token a line, the first second (since 1970), fixes a batch.
local tokens, heads, tails, driven, turn, first_s, size = {}, {}, {}, {}, 0, 0, 20

function init(args)
  for line in io.lines(args[1]) do tokens[#tokens + 1] = line end
  first_s, size = tonumber(args[2]), tonumber(args[3])
  for number = 1, size do
    heads[number] = string.format('{"lat":52.%06d,"lon":13.%06d,"at":"', 100000 + 91 * number, 200000 + 87 * number)
    tails[number] = string.format('.%03dZ","accuracy_m":8.5,"speed_mps":9.25,"heading":%d}', number * 40, 90 + number)
  end
end

function request()
  turn = turn % #tokens + 1
  local second = (driven[turn] or first_s) + 1
  driven[turn] = second
  local at, items = os.date("!%Y-%m-%dT%H:%M:%S", second), {}
  for number = 1, size do items[number] = heads[number] .. at .. tails[number] end
  local headers = { ["Authorization"] = "Bearer " .. tokens[turn], ["Content-Type"] = "application/json" }
  return wrk.format("POST", nil, headers, '{"positions":[' .. table.concat(items, ",") .. "]}")
end


function done(summary, latency)
  io.write(string.format("RESULT requests=%d seconds=%.6f bad=%d p50_ms=%.2f p99_ms=%.2f\n", summary.requests,
    summary.duration / 1e6, summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout
    + summary.errors.connect, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
