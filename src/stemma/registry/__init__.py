"""The model registry's writing side: versions registered, promoted, demoted and retired, as annotated Git tags.

    stemma.register(".", "HEAD", bump="minor", why="More rows")    model@v1.3.0
    stemma.promote(".", "v1.3.0", "prod", why="Better")            model#prod#4
    promote.roll_back(".", "prod")                                 model#prod#5, with Stemma-Event: RolledBack
    stemma.demote(".", "prod")                                     model#prod!#6
    stemma.retire(".", "v1.2.0", why="Biased")                     model@v1.2.0!
    stemma.history(".", "prod")                                    all of it, in order

Nothing is ever edited or removed: what takes an event back is another event. Each function returns the event as it now
stands in the history. With `push` it is on the Git remote before it is here, so that of two people one wins.

Reading order:

- `register`   numbers: given, and taken back
- `promote`    stages: taken, given back, left empty
- `writing`    one writer at a time; `names` which version or stage is meant
- `numbering`  which number a version gets, and why
- `reach`      whether a clone elsewhere can get every object of a version, and is told the truth by it
- `tags`       how tags are made, signed, and pushed
- `history`    the events, replayed; their signatures
"""
