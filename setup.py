"""What pyproject.toml cannot say: a wheel is for the platforms whose compiled kernels it carries, else for all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

NATIVE = Path(__file__).parent / "sigmac" / "runtime" / "engine" / "native"
# build_backend.py says `off` where the kernels that lie here cannot be made anew.
WITH_KERNELS = os.environ.get("SIGMAC_BUILD_KERNELS") != "off"
KINDS = [path.stem for path in NATIVE.glob("kernels-*.so")] if WITH_KERNELS else []
# The libraries need no C library at all; these are the oldest tags that PyPI takes.
LINUX = ("manylinux_2_17", "musllinux_1_1")


class PlatformDistribution(Distribution):
    """A distribution that is pure Python only where it has no compiled kernels."""

    def has_ext_modules(self) -> bool:
        return bool(KINDS)


class PlatformWheel(bdist_wheel):
    """A wheel for any Python 3, of the platforms of its kernels."""

    def get_tag(self) -> tuple[str, str, str]:
        platform = super().get_tag()[2]
        if KINDS and sys.platform == "linux":
            machines = {"aarch64" if "aarch64" in kind else "x86_64" for kind in KINDS}
            platform = ".".join(sorted(f"{tag}_{machine}" for tag in LINUX for machine in machines))
        return "py3", "none", platform


setup(
    distclass=PlatformDistribution,
    cmdclass={"bdist_wheel": PlatformWheel},
    exclude_package_data={} if KINDS else {"sigmac.runtime.engine": ["native/*"]},
)
