"""What baselines are called where people read them."""

BASELINES = {
    "majority": "class shares", "mean": "mean", "logistic": "logistic regression", "ridge": "ridge regression",
    "gradient_boosting": "gradient boosting",
}  # fmt: skip
NETWORK = "this network"
CONSTANT = ("majority", "mean")  # the same prediction for every row
