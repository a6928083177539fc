"""Better settings, found honestly: trials in processes of their own, told with how much too good the best looks.

settings.py   conf/search/NAME.yaml, typed
space.py      the same against the project: settings that there are, values that they take, rows that stay
trial.py      one trial: fit, judge, stop early
study.py      the record in Optuna's storage, and how a killed search goes on
run.py        the whole of a search
optimism.py   how much too good the best of many looks
found.py      what a search found, as plain data
report.py     reports/search/NAME
"""
