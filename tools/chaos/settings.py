"""Production's settings, and one app more: the one whose web processes can be told to die."""

from coordinator.settings.production import *  # noqa: F403  # these are those
from coordinator.settings.production import INSTALLED_APPS as PRODUCTION_APPS

# Before "workers", so that its receiver is called before theirs rings.
INSTALLED_APPS = ["tools.chaos", *PRODUCTION_APPS]
