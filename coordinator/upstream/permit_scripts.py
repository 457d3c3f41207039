"""The scripts that count permits inside Redis, one atomic step each; ``shared_permits`` calls them.

All get the keys counted, held and state, go by Redis' own clock, and count in microseconds: whole
numbers that Lua and a sorted set hold exactly.
"""

_NOW = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local counted, held, state = KEYS[1], KEYS[2], KEYS[3]
"""

# ARGV: holder, rate, concurrent; window, hold, settle (microseconds); how: ask, return or note; the
# moment after which the caller no longer waits for the result (0: unknown). Returns the outcome,
# how long to wait for a better one, and the time.
TAKE = (
    _NOW
    + """
local holder, how = ARGV[1], ARGV[7]
local rate, concurrent = tonumber(ARGV[2]), tonumber(ARGV[3])
local window, hold, settle = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local by = tonumber(ARGV[8])
if by > 0 and now > by then return {'late', 0, now} end
local moments = redis.call('HMGET', state, 'born', 'since', 'paused')
local born, since, paused = tonumber(moments[1]), tonumber(moments[2]), tonumber(moments[3])
if not born then
    born, since = now, now
    redis.call('HSET', state, 'born', born, 'since', since)
elseif how == 'return' then
    since = now
    redis.call('HSET', state, 'since', since)
end
redis.call('PEXPIRE', state, 86400000)
if how ~= 'note' then
    if paused and paused > now then return {'paused', paused - now, now} end
    if rate == 0 and concurrent == 0 then return {'granted', 0, now} end
    if now < born + window then return {'busy', born + window - now, now} end
    redis.call('ZREMRANGEBYSCORE', counted, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
    if concurrent > 0 and redis.call('ZCARD', held) >= concurrent then return {'busy', 0, now} end
    local over = redis.call('ZCARD', counted) - rate
    if rate > 0 and over >= 0 then
        local next = redis.call('ZRANGE', counted, over, over, 'WITHSCORES')
        return {'busy', tonumber(next[2]) - now, now}
    end
    if now < since + settle then return {'settling', 0, now} end
end
redis.call('ZADD', held, now + hold, holder)
redis.call('PEXPIRE', held, 3600000)
if rate > 0 then
    redis.call('ZADD', counted, now + hold + window, holder)
    redis.call('PEXPIRE', counted, 3600000)
end
return {'granted', 0, now}
"""
)

# ARGV: holder, rate, window (microseconds).
GIVE = (
    _NOW
    + """
redis.call('ZREM', held, ARGV[1])
if tonumber(ARGV[2]) > 0 then
    redis.call('ZADD', counted, now + tonumber(ARGV[3]), ARGV[1])
    redis.call('PEXPIRE', counted, 3600000)
end
"""
)

# ARGV: how long (microseconds).
PAUSE = (
    _NOW
    + """
local before = tonumber(redis.call('HGET', state, 'paused')) or 0
redis.call('HSET', state, 'paused', math.max(before, now + tonumber(ARGV[1])))
redis.call('PEXPIRE', state, 86400000)
"""
)

# Returns how many count against the rate now.
COUNT = (
    _NOW
    + """
return redis.call('ZCOUNT', counted, '(' .. now, '+inf')
"""
)
