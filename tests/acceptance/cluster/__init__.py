"""The whole system as a cluster of nodes, which are killed, cut off, shared with and replaced.

Its nodes are pytest-celery's. By default each is a process of this machine (`processes`); with
COORDINATOR_CLUSTER=containers (`make test-docker`) each is a container of the project's own image
(`containers`). The tests are the same.
"""
