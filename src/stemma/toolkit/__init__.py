"""What the toolkit itself is: its version, its rooms, and the lock that says which toolkit made the results.

- `distribution`  what it holds, its version, its wheel; the build backend of its pyproject.toml
- `rooms`         a digest for each room
- `lock`          stemma.lock: written, checked, accepted; the code of a stage, as a digest
- `stage`         runs one stage of a project, if the toolkit is the locked one

    version()         "0.2.0+g" and a digest of the content
    lock.check(root)  stop where another toolkit runs than the locked one
"""

from stemma.toolkit.distribution import NAME, version

__all__ = ["NAME", "version"]
