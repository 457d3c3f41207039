"""Celery's settings as data. What the environment decides comes from the Django settings."""

import sys

from django.conf import settings

from coordinator.celery import schedule

broker_url = settings.CELERY_BROKER_URL
broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
broker_connection_retry_on_startup = True
# For ever: ending would not bring the broker back, and a supervisor would only start it again.
broker_connection_max_retries = None

# JSON only: whoever can write to the broker must not be able to run code in a worker.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

# Nobody asks for a task's result: what came of a change stands in the change log.
task_ignore_result = True

# A task that its worker did not finish is somebody else's: tasks are safe to run twice.
task_acks_late = True
task_reject_on_worker_lost = True
# Take one at a time: a message that waits behind a slow task is one that nobody else may take.
worker_prefetch_multiplier = 1

# They show that they live: see workers/beating.py.
worker_consumer = "workers.beating:BeatingConsumer"
beat_scheduler = "workers.beating:BeatingScheduler"
# However rare the tasks are, beat ticks this often.
beat_max_loop_interval = settings.COORDINATOR_HEARTBEAT_EVERY_SECONDS

task_soft_time_limit = settings.CELERY_TASK_SOFT_TIME_LIMIT_SECONDS
task_time_limit = settings.CELERY_TASK_TIME_LIMIT_SECONDS

task_default_queue = "default"
task_routes = schedule.task_routes()

enable_utc = True
timezone = "UTC"
worker_hijack_root_logger = False

# Celery would close the database's connections around every task, and a new one costs more than all
# else that a lone event needs. coordinator/celery/lifecycle.py lets Django decide, as it does for
# requests: by CONN_MAX_AGE, and with a health check.
CELERY_DB_REUSE_MAX = sys.maxsize
