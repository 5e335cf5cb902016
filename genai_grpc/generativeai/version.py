"""The version whose names and modules this folder has."""

__all__ = ["__version__"]

__version__ = "0.8.6"
