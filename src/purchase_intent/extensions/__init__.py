"""What is yours alone, a folder for each stage that runs it; docs/extending.md tells how to add each.

- `metrics`    figures, for evaluate
- `baselines`  simple models beside the network, for evaluate
- `training`   losses, optimizers, schedules, for train
- `formats`    export formats, for export
- `trackers`   trackers, for train, evaluate and package
- `checks`     checks, for `stemma doctor`
"""
