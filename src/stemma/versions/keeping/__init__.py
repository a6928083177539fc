"""What keeps versions from being lost: verified, backed up, restored; a part of `versions` that writes.

    keeping.verify(".", ["HEAD"])                   every object of a version, in cache and remote, hashed again
    keeping.backup(".", "/mnt/backup")              a copy that needs nothing else
    keeping.restore("/mnt/backup", "/new/place")    a working repository out of it
    keeping.probe(".")                              what a remote allows

Reading order:

- `selection`  which versions are meant
- `inventory`  the objects that they are made of
- `places`     where objects lie: the cache, a remote, a backup; a folder or a bucket, the same words
- `trouble`    what a place's refusal means, in one line
- `locking`    DVC's lock
- `verify`, `backup` (and its `manifest`), `restore`, `probe`  the commands
- `sealing`    encryption of a backup, by age

Every object is hashed on its way, and nothing takes an object's name before its bytes have been found right.
"""

from stemma.versions.keeping.backup import Backup, backup
from stemma.versions.keeping.probe import Probe, probe
from stemma.versions.keeping.restore import Restored, restore
from stemma.versions.keeping.verify import Fault, Verification, verify

__all__ = ["Backup", "Fault", "Probe", "Restored", "Verification", "backup", "probe", "restore", "verify"]
