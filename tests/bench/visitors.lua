-- SPDX-License-Identifier: GPL-2.0-only
-- tests/bench/visitors.lua — the demo's visitors (USERS_LUA), and what they met as one line of JSON. A request that
-- takes too long is no error: below some tools, none is answered within a slice.
dofile(os.getenv("USERS_LUA"))

function done(summary, latency)
   local errors = summary.errors
   print(string.format('{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"max_ms":%f,"errors":%d}',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3,
      errors.connect + errors.read + errors.write + errors.status))
end
