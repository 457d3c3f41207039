"""Metrics for Prometheus: what is counted, who feeds it, and how it is shown.

`declared` names every metric; `feeding` hears the hooks of core, upstream and ledger and counts;
`reads` counts reads, hundreds at once; `scraping` asks the ledger at each scrape;
`exposing` writes it all down as text, for one process or for several that share
``PROMETHEUS_MULTIPROC_DIR``; `serving` gives a process that is no web server a port of its own.
"""

import os
from pathlib import Path
from typing import Final

#: Where the processes of one machine keep what they count, for whichever of them is asked. The
#: library reads it too, once, when it is first imported: after this.
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


def directory() -> Path | None:
    """Return where several processes count together, None if this one counts alone."""
    found = os.environ.get(MULTIPROCESS, "").strip()
    return Path(found) if found else None


if _together := directory():
    # The library opens files there at once, and fails without the directory.
    _together.mkdir(parents=True, exist_ok=True)
else:
    # Empty would mean the working directory.
    os.environ.pop(MULTIPROCESS, None)
