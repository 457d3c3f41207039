"""Development tools, never shipped: simulator, shoppers, servers, embedded, stack, chaos."""

from pathlib import Path
from typing import Final

#: The checkout that the tools belong to.
ROOT: Final = Path(__file__).resolve().parents[1]
