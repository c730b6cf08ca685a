"""Check an installation of the service, as deploy/install.sh makes it, with its own Python.

    .cache/image/bin/python deploy/image_check.py

It prints what it finds and the size; status 1 where something is missing that the service needs, or is there that only
building packs or installing needs.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

NEEDED = (
    "confluent_kafka",
    "cryptography",
    "google.rpc.status_pb2",
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "opentelemetry.sdk",
    "prometheus_client",
    "pydantic",
    "structlog",
    "yaml",
    "sigmac.runtime.service.supervisor",
    "sigmac.runtime.service.workers.worker_process",
)
UNWANTED = ("jinja2", "lark", "llvmlite", "numba", "pip", "pytest", "ruff", "setuptools")


def main() -> int:
    folder = Path(sys.prefix)
    problems = [*_problems(folder)]
    for problem in problems:
        print(problem, file=sys.stderr)
    megabytes = sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir()) / 1e6
    print(f"{folder}: {megabytes:.0f} MB, Python {sys.version.split()[0]}")
    return 1 if problems else 0


def _problems(folder: Path) -> Iterator[str]:
    if sys.prefix == sys.base_prefix:
        yield f"{sys.executable} is not the Python of an installation"
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            yield f"{name} cannot be imported: {error}"
    yield from (f"{name} is installed" for name in UNWANTED if importlib.util.find_spec(name))
    from sigmac.runtime.engine.machine_code.choice import find_kernels

    kernels = find_kernels()
    if kernels is None or not kernels.origin.endswith(".so"):
        yield "there are no compiled kernels that run here"
    else:
        print(f"kernels: {Path(kernels.origin).name}")
    with tempfile.TemporaryDirectory() as empty:
        # Elsewhere, so that nothing of a clone is imported.
        done = subprocess.run(
            [folder / "bin" / "sigmac", "--version"],
            cwd=empty,
            capture_output=True,
            text=True,
            check=False,
        )
    print(done.stdout.strip())
    if done.returncode:
        yield f"sigmac --version ends with status {done.returncode}: {done.stderr.strip()}"


if __name__ == "__main__":
    sys.exit(main())
