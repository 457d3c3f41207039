"""The summary of a run: what happened, in figures, as JSON or for people."""

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run, under the names and in the order of its JSON.

    `changes` is what the log recorded; those that are neither warmed, superseded nor abandoned came
    out of date, or are not settled yet. `reads` are requests that got a payment, and `hits` those
    of them that loaded nothing from upstream. `carried` counts the entries that their event brought
    along, `upstream_loads` what the provider was asked for. `read_wait_s` is what all readers
    together waited for their answers, and `..._without_warming` what it would have been: the same
    reads by a model of a cache on demand, with each load taking what loads took here. Durations are
    None where nothing was measured.
    """

    changes: int
    warmed: int
    carried: int
    superseded: int
    abandoned: int
    reads: int
    hits: int
    misses: int
    hit_ratio: float
    stale_reads: int
    upstream_loads: int
    upstream_loads_without_warming: int
    read_wait_s: float
    read_wait_without_warming_s: float | None
    warm_read_ms_p50: float | None
    cold_read_ms_p50: float | None
    commit_to_warm_ms_p50: float | None
    commit_to_warm_ms_p99: float | None
    errors: int

    def to_json(self) -> str:
        """Return the summary as one line of JSON."""
        return msgspec.json.encode(self).decode()


def rounded(milliseconds: float | None) -> float | None:
    """Return a duration with two decimals, as far as a clock can be trusted."""
    return None if milliseconds is None else round(milliseconds, 2)
