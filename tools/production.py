"""Production's settings with the commands of the tools: for ``smoke`` beside the containers."""

from coordinator.settings.production import *

INSTALLED_APPS = [*INSTALLED_APPS, "tools"]
