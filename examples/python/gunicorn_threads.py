"""gunicorn with preforked workers of several threads: `gunicorn --config gunicorn_threads.py flask_app:app`."""

workers = 2
worker_class = "gthread"
threads = 32  # each call in flight has one
preload_app = True
graceful_timeout = 30  # seconds in which requests may end after SIGTERM
