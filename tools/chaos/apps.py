"""The chaos as a Django app, named by tools.chaos.settings alone."""

from django.apps import AppConfig


class ChaosConfig(AppConfig):
    """Connects what kills its own process when it is told to."""

    name = "tools.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Connect it."""
        from tools.chaos import dying

        dying.connect()
