"""Where rows come from in code: the table SOURCES. A table in a file needs none: `stemma.tables` reads it.

To add a source of your own:

1. `mine.py`: a function of its settings that gives a pyarrow.Table, or pandas frames, one after the other;
2. a line here: `"mine": Entry("purchase_intent.sources.mine:frames", MineTable)`;
3. `conf/data/mine.yaml` with `kind: mine`, `source:` that file, and its settings, whose class is in `settings.py`.
"""

from purchase_intent.sources.settings import BundledTable, SimulatedTable
from stemma.entries import Entry, installed
from stemma.tables.settings import FILES

SOURCES: dict[str, Entry] = {
    **installed("sources"),
    **FILES,
    "simulated": Entry("purchase_intent.sources.simulated:table", SimulatedTable),
    "bundled": Entry("purchase_intent.sources.bundled:table", BundledTable),
}
