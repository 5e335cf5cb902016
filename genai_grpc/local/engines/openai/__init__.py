"""Engine for servers of the OpenAI API."""
