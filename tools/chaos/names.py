"""The names of the faults, and in a few words what each is."""

from enum import StrEnum

from tools.chaos.tuning import (
    LAG_SECONDS,
    PAUSE_SECONDS,
    PRIMARY_READ_ONLY_SECONDS,
    REDIS_AWAY_SECONDS,
    REDIS_HUNG_SECONDS,
    SLOW_SENDERS,
)


class Name(StrEnum):
    """One fault; `what` says what it is."""

    what: str

    def __new__(cls, name: str, what: str) -> "Name":
        """Take the name as its value."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.what = what
        return member

    WORKER_KILLED = "worker_killed", "SIGKILL in the middle of a task"
    WORKER_PAUSED = "worker_paused", f"stands still for {PAUSE_SECONDS:g} s, past its lease"
    BEAT_KILLED = "beat_killed", "SIGKILL"
    WEB_KILLED = "web_killed", "SIGKILL at any moment"
    WEB_KILLED_BEFORE_ADVANCE = "web_killed_before_advance", "committed, pointer suspended"
    WEB_KILLED_BEFORE_RING = "web_killed_before_ring", "committed, no worker told"
    REDIS_RESTARTED = "redis_restarted", f"away for {REDIS_AWAY_SECONDS:g} s, its data lost"
    PRIMARY_READ_ONLY = "primary_read_only", f"no writes for {PRIMARY_READ_ONLY_SECONDS:g} s"
    REDIS_FAILED_OVER = (
        "redis_failed_over",
        f"a replica for {REDIS_AWAY_SECONDS:g} s, and a master again",
    )
    REDIS_HUNG = "redis_hung", f"answers nothing for {REDIS_HUNG_SECONDS:g} s while entries are due"
    MEMCACHED_RESTARTED = "memcached_restarted", "all nodes, their data lost"
    MEMCACHED_CUT = "memcached_cut", "one node hangs, and is back with old data"
    SENDERS_SLOW = "senders_slow", f"{SLOW_SENDERS} bodies, a byte at a time"
    UPSTREAM_FAILING = "upstream_failing", "500, 502, 503, and answers lost on the way"
    UPSTREAM_STALLING = "upstream_stalling", "hangs longer than anybody waits"
    UPSTREAM_LAGGING = "upstream_lagging", f"{LAG_SECONDS:g} s behind its own events"
