"""Payment providers: one file each behind one small protocol, chosen by one setting.

``COORDINATOR_PROVIDER`` names the class. docs/providers/adding-a-provider.md shows how to write
another.
"""

from coordinator.payments.providers.base import (
    Found,
    Ignored,
    Provider,
    ProviderEvent,
    current,
)

__all__ = ["Found", "Ignored", "Provider", "ProviderEvent", "current"]
