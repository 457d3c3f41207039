"""Adds, removes, kills and returns a memcached node under traffic, and judges what readers got.

Readers, a writer and a Celery worker are processes of their own, each with a list of nodes of its
own, as in a rolling restart. Each reader and the writer write down what they see on the clock that
all processes share; `judging` puts that together afterwards.
"""
