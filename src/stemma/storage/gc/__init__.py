"""What nothing needs any more, moved out of the cache and the remote: first to a trash, then for good.

    gc.plan(".")                             what would go, and what each commit would lose
    gc.collect(".", Rules(remotes=(None,)))  moved to the trash, in the cache and the default remote
    gc.undo(".")                             all of the last run back
    gc.empty(".")                            the trash deleted for good

Reading order:

- `clone`       whether this clone knows enough: Git's history, and the tags of its remotes
- `roots`       what must stay, by the rules
- `planning`    what would go, by place and by commit
- `trash`       where it waits, with a journal from before the first move
- `collecting`  the functions that move something

Whatever is not certain stays: a clone without all tags, a listing that is nowhere, a place that does not answer are
errors, and nothing has moved.
"""

from stemma.storage.gc.collecting import Collected, Moved, collect, empty, undo
from stemma.storage.gc.planning import Loss, Plan, Taken, plan
from stemma.storage.gc.roots import DAY, Root, Rules

__all__ = ["DAY", "Collected", "Loss", "Moved", "Plan", "Root", "Rules", "Taken", "collect", "empty", "plan", "undo"]
