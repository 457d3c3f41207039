"""Settings, read from the environment: base, and development, production and test on top of it.

Every setting of our own is a flat Django setting, read from the environment under the same name;
``docs/settings.md`` lists them with their defaults.
"""
