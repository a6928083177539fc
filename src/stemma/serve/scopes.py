"""What a token may ask. Nothing is imported here: the command line names them too."""

from enum import StrEnum


class Scope(StrEnum):
    """Predictions and what is known of them, what came of them, orders."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    ADMIN = "admin"
