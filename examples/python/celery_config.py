"""Settings of celery_tasks: queues and results in a folder, to try it without a broker."""

import os
from pathlib import Path

# For production: broker_url = "redis://127.0.0.1:6379/0", result_backend = "redis://127.0.0.1:6379/1", and no folder.
FOLDER = Path(os.environ.get("CELERY_FOLDER", "/tmp/celery_tasks"))  # noqa: S108 -- for one user's own machine
(FOLDER / "queue").mkdir(parents=True, exist_ok=True)
broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": FOLDER / "queue",
    "data_folder_out": FOLDER / "queue",
    "control_folder": FOLDER / "control",
    "polling_interval": 0.1,
}
result_backend = f"file://{FOLDER}"

# A task whose worker process died runs again: it may call the model twice, which does no harm here.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1  # a task takes seconds, so no process reserves a second one
task_time_limit = 120  # seconds; above the timeout of the call
