"""Python types and JSON Schema to a Schema, and JSON back to Python types."""
