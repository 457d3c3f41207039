"""What a run ends with, for everybody who reads its last line."""

#: The keys of the summary, in its order: a promise to whoever parses it.
KEYS = [
    "changes",
    "warmed",
    "carried",
    "superseded",
    "abandoned",
    "reads",
    "hits",
    "misses",
    "hit_ratio",
    "stale_reads",
    "upstream_loads",
    "upstream_loads_without_warming",
    "read_wait_s",
    "read_wait_without_warming_s",
    "warm_read_ms_p50",
    "cold_read_ms_p50",
    "commit_to_warm_ms_p50",
    "commit_to_warm_ms_p99",
    "errors",
]
