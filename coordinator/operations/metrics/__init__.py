"""Metrics for Prometheus: what is counted, who feeds it, and how it is shown.

`declared` names every metric; `feeding` hears the hooks of core, upstream and ledger and counts;
`scraping` asks the ledger at the moment somebody looks; `exposing` writes it all down as text, for
one process or for several that share ``PROMETHEUS_MULTIPROC_DIR``; `serving` gives a process that
is no web server a port of its own.
"""
