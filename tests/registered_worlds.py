"""Worlds with a registry: three versions that share an artifact, and clones of them with a server between."""

import os
import subprocess
from pathlib import Path

import yaml

import stemma
from forks import COLD
from version_worlds import World, changed, network, new, parts


def make_registered(
    folder: Path, bundles: tuple[bytes, ...] = (b"bundle 1", b"bundle 2", b"bundle 3", b"bundle 4")
) -> World:
    """Three versions, v1.0.0, v1.1.0 (a bias moved) and v2.0.0 (another layer); the last commit is not registered."""
    one, two, three, four = bundles
    world = new(folder)
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    pipeline["artifacts"] = {"model": {"path": "models/package/model.zip", "type": "model"}}
    world.write("dvc.yaml", yaml.safe_dump(pipeline, sort_keys=False))
    first = parts(bundle=one)
    world.version("first", first)
    stemma.register(folder)
    second = first.but(tensors=changed(first.tensors, "output.bias"), bundle=two)
    world.version("second", second)
    stemma.register(folder)
    layers, tensors = network((8, 6, 4))
    third = second.but(layers=layers, tensors=tensors, bundle=three)
    world.version("third", third)
    stemma.register(folder)
    world.version("fourth", third.but(tensors=network((8, 6, 4), seed=5)[1], bundle=four))
    return world


def clones(world: World) -> tuple[World, World]:
    """Two clones of a world with a bare repository as their origin; they share the world's DVC remote."""
    server = world.folder.with_name("server.git")
    world.ok("git", "clone", "-q", "--bare", str(world.folder), str(server))
    made = []
    for name in ("anne", "bob"):
        folder = world.folder.with_name(name)
        world.ok("git", "clone", "-q", str(server), str(folder))
        made.append(World(folder))
    return made[0], made[1]


def with_key(world: World, folder: Path) -> None:
    """A key of its own for signing by SSH, trusted in this clone."""
    world.ok("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / "key"))
    public = (folder / "key.pub").read_text()
    (folder / "trusted").write_text(f"person@example.org {public}")
    for name, value in (
        ("gpg.format", "ssh"), ("user.signingkey", str(folder / "key.pub")),
        ("gpg.ssh.allowedSignersFile", str(folder / "trusted")),
    ):  # fmt: skip
        world.ok("git", "config", name, value)


def tags(world: World) -> list[str]:
    return world.ok("git", "tag", "--list").splitlines()


def start(world: World, *command: str, **environment: str) -> subprocess.Popen[str]:
    """A command under way, which may be killed."""
    return subprocess.Popen(
        command, cwd=world.folder, env=os.environ | COLD | environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
