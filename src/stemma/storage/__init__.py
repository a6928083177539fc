"""What keeps versions from being lost, and takes away what nothing needs. Each word of the command line is a module.

    stemma.verify(".", ["HEAD"])                    every object of a version, in cache and remote, hashed again
    stemma.backup(".", "/mnt/backup")               a copy that needs nothing else
    stemma.restore("/mnt/backup", "/new/place")     a working repository out of it
    stemma.probe(".")                               what a remote allows

Reading order:

- `selection`  which versions are meant
- `verify`, `backup` (and its `manifest`), `restore`, `remote`, `gc`  the commands
- `sealing`    encryption of a backup, by age

Every object is hashed on its way, and nothing takes an object's name before its bytes have been found right.
"""
