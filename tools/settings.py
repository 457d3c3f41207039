"""Development's settings with the commands of the tools: what ``manage.py`` uses in a checkout."""

from coordinator.settings.development import *

INSTALLED_APPS = [*INSTALLED_APPS, "tools"]
