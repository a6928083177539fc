"""The network that settings name, out of the table NETWORKS that a project hands over."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemma.conf.pins import part
from stemma.entries import Entry, naming
from stemma.settings import Chosen
from stemma.training.settings import ModelSettings

if TYPE_CHECKING:
    from stemma.training.base import Network, Problem

FRAMEWORKS = ("torch", "tensorflow")


def create(networks: Mapping[str, Entry], settings: ModelSettings, problem: "Problem", threads: int = 1) -> "Network":
    """The network that settings name, not yet fitted.

    Raises:
        MissingExtra: its framework is not installed.
        EntryError: it cannot be built.
    """
    kind = networks[settings.name].load()
    with naming(f"the network {settings.name} cannot be built"):
        network: Network = kind(settings, problem, threads)
    return network


def fitted(networks: Mapping[str, Entry], settings: ModelSettings, problem: "Problem", folder: Path) -> "Network":
    """The network that settings name, with the weights of a store.

    Raises:
        MissingExtra, EntryError: as `create`.
        WeightsError: the store is missing, damaged, or of another network.
    """
    network = create(networks, settings, problem)
    network.load(folder)
    return network


def faults(values: Mapping[str, Any], chosen: Mapping[str, Chosen]) -> list[str]:
    """What is wrong with the framework of the section `model`: it is the folder that the network is in."""
    section, networks = part(values, "model"), chosen["model"][1]
    if section.get("name") not in networks:
        return []
    name, framework = section["name"], section.get("framework")
    its = home(networks[name]) or framework
    if framework in FRAMEWORKS and framework != its:
        return [f"model.framework: {name} is in the framework {its}, not {framework}"]
    return []


def home(entry: Entry) -> str | None:
    """The framework in whose folder a network is."""
    folders = entry.path.partition(":")[0].split(".")
    return next((folder for folder in folders if folder in FRAMEWORKS), None)
