"""Messages to results: merging the chunks of a stream, and reading text from parts."""
