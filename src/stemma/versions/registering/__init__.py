"""The writing side of the model registry: versions registered, promoted, demoted and retired, as annotated Git tags.

    registering.register(".", "HEAD", bump="minor", why="More rows")    model@v1.3.0
    registering.promote(".", "v1.3.0", "prod", why="Better")            model#prod#4
    registering.roll_back(".", "prod")                                  model#prod#5, with Stemma-Event: RolledBack
    registering.demote(".", "prod")                                     model#prod!#6
    registering.retire(".", "v1.2.0", why="Biased")                     model@v1.2.0!
    registering.history(".", "prod")                                    all of it, in order

Nothing is ever edited or removed: what takes an event back is another event. Each function returns the event as it now
stands in the history. With `push` it is on the Git remote before it is here, so that of two people one wins.

Reading order:

- `moves`      the five functions that write
- `numbering`  which number a version gets, and why
- `reach`      whether a clone elsewhere can get every object of a version
- `tags`       how tags are made, signed, and pushed
- `lock`       one writer at a time
- `history`    the events, replayed; their signatures
"""

from stemma.versions.registering.history import Event, History, history
from stemma.versions.registering.moves import Judgement, demote, promote, register, retire, roll_back, would_hold
from stemma.versions.registering.numbering import Suggestion, suggest

__all__ = [
    "Event",
    "History",
    "Judgement",
    "Suggestion",
    "demote",
    "history",
    "promote",
    "register",
    "retire",
    "roll_back",
    "suggest",
    "would_hold",
]
