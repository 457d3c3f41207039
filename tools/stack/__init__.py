"""The whole system as the processes of production, without Docker: ``make stack``.

Servers from the system's packages on free ports, our own programs as the Procfile names them, and
the simulated shoppers of ``make run``. Everything ends with the process that started it, and its
data with it.
"""
