"""What a stage of a registry says, published into a folder of versions, by a process beside the server.

    from stemma import follow

    asked = follow.Asked("https://example.org/shop.git", "prod", Path("served/shop"))
    follow.publish(asked)                                   one pass
    follow.poll(asked, 5.0, say)                            passes, until it is stopped

Reading order:

- `passes`  one pass, and passes again and again
- `source`  a repository, a clone, or a Git URL, and what its Git remote knows
- `folder`  the folder of versions: what appears in it, and goes from it, in one step
- `events`  what was taken out of service, told to the registry
- `beside`  the process beside a server, which ends with it and comes back when it fails

Nothing of the repository is run (docs/trust.md), and a bundle appears only after every byte of it was verified.
"""

from stemma.follow.folder import Published
from stemma.follow.passes import Asked, poll, publish

__all__ = ["Asked", "Published", "poll", "publish"]
