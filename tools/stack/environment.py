"""What the programs of one run find in their environment: production's settings, for here and now.

Secrets are made for the run. What production insists on and a loopback address can't offer (HTTPS)
is taken back by the settings' own switches, and by nothing else.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.report.provider import Keys
from tools.servers.server import HOST
from tools.stack.options import Options


def compose(
    options: Options,
    *,
    servers: Mapping[str, str],
    nodes: Sequence[str],
    ports: tuple[int, int],
    keys: Keys,
    directory: Path,
) -> dict[str, str]:
    """Return the environment of the programs.

    `servers` are the addresses of "database" and "redis", `nodes` those of memcached; `ports` are
    the web server's and the simulator's. What this process's own environment says besides holds as
    well, so settings can be tried: ``COORDINATOR_POINTER_TIMEOUT_SECONDS=5 make stack``.
    """
    web, simulator = ports
    ours = {
        "DJANGO_SETTINGS_MODULE": options.settings,
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": f"{HOST},localhost",
        # TLS ends before the web server, and here there is none.
        "DJANGO_SECURE_SSL_REDIRECT": "false",
        "DATABASE_URL": servers["database"],
        "CELERY_BROKER_URL": f"{servers['redis']}/0",
        "COORDINATOR_BUDGET_URL": f"{servers['redis']}/1",
        # Those that call upstream: what each may use alone if they can't count together.
        "COORDINATOR_BUDGET_PROCESSES": str(options.size.web + options.size.workers),
        "MEMCACHED_SERVERS": ",".join(nodes),
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_PUBLIC_SIGNING_JWK_SET": "",
        "COORDINATOR_PROVIDER": "coordinator.payments.providers.stripe.StripeProvider",
        "STRIPE_API_BASE": f"http://{HOST}:{simulator}",
        "STRIPE_API_KEY": keys.service,
        "STRIPE_WEBHOOK_SECRETS": keys.webhook,
        "STRIPE_LIVEMODE": "false",
        "COORDINATOR_LOG_FORMAT": "plain",
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
        # What the Procfile asks for.
        "HOST": HOST,
        "PORT": str(web),
        "WEB_WORKERS": str(options.size.web),
        "WEB_THREADS": "16",
        "WORKER_THREADS": str(options.size.threads),
        "BEAT_SCHEDULE": str(directory / "beat"),
        "SIMULATOR_PORT": str(simulator),
        "SIMULATOR_SHOPPER_KEY": keys.shopper,
        "SIMULATOR_WEBHOOK_SECRET": keys.webhook,
        "SIMULATOR_OPTIONS": shlex.join(options.traffic.of_simulator()),
        # Lines appear when they are printed, also in a pipe or a file.
        "PYTHONUNBUFFERED": "1",
        # The programs of this very environment, found by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        **options.tuning,
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        # A file that a developer's shell names would win over the value.
        if name.removesuffix("_FILE") not in ours
    }
    return {**inherited, **ours}
