# One image for every role: web (what it runs by itself), worker, beat and migrate; one more, with
# the development tools, for the simulated provider and its shoppers.
#
#   docker build --tag coordinator:local .
#   docker build --tag coordinator-flower:local --target flower .
#   docker build --tag coordinator-simulator:local --target simulator .
#
# A mirror or a certificate of one's own: --build-arg PIP_INDEX_URL=..., --build-arg PIP_CERT=...

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# -- what is installed: pinned, each file checked against its hash, built in a stage of its own -----

FROM ${PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ARG PIP_PROXY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Without pip: nothing is installed into an image that runs.
RUN python -m venv --without-pip /opt/venv
COPY requirements/image.txt /tmp/image.txt
RUN python -m pip --python /opt/venv/bin/python install --quiet --require-hashes \
      --requirement /tmp/image.txt \
 # Translations, which nobody reads: USE_I18N is off.
 && find /opt/venv -name '*.[mp]o' -delete

# -- the project, compiled, with the style sheets of the admin site and the API's pages ------------

FROM packages AS project
WORKDIR /app
COPY manage.py celeryconfig.py ./
COPY coordinator coordinator
COPY workers workers
# The development settings need no secret, and nothing of theirs stays behind.
RUN DJANGO_SETTINGS_MODULE=coordinator.settings.development DJANGO_STATIC_ROOT=/app/static \
    /opt/venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
 && /opt/venv/bin/python -m compileall -q coordinator workers celeryconfig.py

# -- what runs -------------------------------------------------------------------------------------

FROM ${PYTHON_IMAGE} AS coordinator
LABEL org.opencontainers.image.title="coordinator" \
      org.opencontainers.image.description="An event-driven cache warmer for payments"
# Memory is mounted over the two directories, and takes their modes over, also at a restart.
RUN groupadd --system --gid 10001 coordinator \
 && useradd --system --uid 10001 --gid coordinator --home-dir /app --shell /usr/sbin/nologin coordinator \
 && install --directory --mode 1777 /run/metrics /run/heartbeat
# Its owner is root: what runs can't change it.
COPY --from=packages /opt/venv /opt/venv
COPY --from=project /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=coordinator.settings.production \
    COORDINATOR_LOG_FORMAT=json \
    GRANIAN_HOST=0.0.0.0 \
    GRANIAN_PORT=8000 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=16 \
    GRANIAN_STATIC_PATH_MOUNT=/app/static
USER 10001:10001
EXPOSE 8000
# Granian stops listening, finishes what it has begun, and ends; so does a Celery worker.
STOPSIGNAL SIGTERM
# Whether the web server lives. The other roles have a check of their own in docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--no-ws", "--respawn-failed-workers", \
     "--workers-kill-timeout", "25", "coordinator.wsgi:application"]

# -- the same with Flower, for whoever wants to look at the workers from a browser -----------------

FROM packages AS flower-packages
COPY requirements/flower.txt /tmp/flower.txt
RUN python -m pip install --quiet --require-hashes --requirement /tmp/flower.txt --target /opt/flower

FROM coordinator AS flower
COPY --from=flower-packages /opt/flower /opt/flower
ENV PYTHONPATH=/opt/flower
EXPOSE 5555
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5555/healthcheck', timeout=4)"]
CMD ["celery", "-A", "workers", "flower"]

# -- the same with the development tools: the simulated provider, its shoppers, and `smoke` ---------

FROM packages AS simulator-packages
COPY requirements/simulator.txt /tmp/simulator.txt
RUN python -m pip install --quiet --require-hashes --requirement /tmp/simulator.txt --target /opt/simulator

FROM coordinator AS simulator
COPY --from=simulator-packages /opt/simulator /opt/simulator
COPY tools /app/tools
ENV PYTHONPATH=/opt/simulator
CMD ["python", "-m", "tools.simulator", "--host", "0.0.0.0", "--port", "12111"]

# Last, so that it is what a build without a target makes.
FROM coordinator
