"""Where a pack lies: a folder, or that of an installed package."""

from __future__ import annotations

from pathlib import Path

from sigmac.runtime.errors import PackError
from sigmac.runtime.printable import escaped

ENTRY_POINTS = "sigmac.packs"


def find_pack(pack: str | Path) -> Path:
    """The folder of a pack that is given by its path or by the name of an installed one.

    Raises `PackError` where a name is no folder and no installed pack; what the folder holds is not looked at.
    """
    path = Path(pack)
    if isinstance(pack, str) and not path.exists() and pack.replace("-", "_").isidentifier():
        return _installed(pack)
    return path


def _installed(name: str) -> Path:
    """The folder of an installed pack; nothing of its package is imported. Raises `PackError`."""
    import importlib.metadata
    import importlib.util

    modules = {
        entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    }
    if not modules:
        installed = sorted(
            {each.name for each in importlib.metadata.entry_points(group=ENTRY_POINTS)}
        )
        known = f"; installed are {', '.join(map(escaped, installed))}" if installed else ""
        raise PackError(f"there is no folder and no installed pack `{name}`{known}")
    if len(modules) > 1:
        said = ", ".join(map(escaped, sorted(modules)))
        raise PackError(f"several installed packs are called `{name}`: {said}")
    (module,) = modules
    # To find what stands in a package Python runs the package.
    if not module.isidentifier():
        raise PackError(f"the installed pack `{name}` is no package of its own: {escaped(module)}")
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.origin:
        raise PackError(f"the package {module} of the installed pack `{name}` is not there")
    return Path(spec.origin).parent
