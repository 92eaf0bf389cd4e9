-- SPDX-License-Identifier: GPL-2.0-only
-- tests/demo/users.lua — visitors for wrk: each asks for a user whom nobody has asked for before.
--   wrk -s users.lua URL -- FIRST_ID
local threads = 0

function setup(thread)
   thread:set("id", threads * 10000000)
   threads = threads + 1
end

function init(arguments)
   id = id + tonumber(arguments[1])
end

function request()
   id = id + 1
   return wrk.format("GET", "/users/" .. id)
end
