"""A call and its policy: limits, retries, admission. Pure: the caller passes the time, and nothing here waits."""
