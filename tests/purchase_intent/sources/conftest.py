"""The file that the simulated table is drawn after."""

from sections import real_file

__all__ = ["real_file"]
