"""gunicorn with gevent workers: `gunicorn --config gunicorn_gevent.py flask_app:app`."""

workers = 2
worker_class = "gevent"
worker_connections = 200
graceful_timeout = 30  # seconds in which requests may end after SIGTERM


def post_fork(server: object, worker: object) -> None:
    """Make gRPC wait on threads of gevent's thread pool, so that a call blocks its own greenlet only."""
    import gevent
    import grpc.experimental.gevent

    grpc.experimental.gevent.init_gevent()
    # Each call in flight has one; the default is 10 for a worker.
    gevent.get_hub().threadpool.maxsize = worker_connections + 10
