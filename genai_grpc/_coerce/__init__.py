"""Pure functions that convert Python values to messages, one module per kind of value."""
