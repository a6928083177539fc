"""How good predictions are: `metrics` in figures, `curves` as points to plot."""
