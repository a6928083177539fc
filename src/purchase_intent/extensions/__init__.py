"""What is yours alone: metrics, losses, baselines, checks, export formats."""
