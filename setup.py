"""What pyproject.toml cannot say: a wheel is for the platforms whose compiled kernels it carries, else for all."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

NATIVE = Path(__file__).parent / "sigmac" / "runtime" / "engine" / "native"
# The libraries need no C library at all; these are the oldest tags that pip and PyPI know.
LINUX = ("manylinux_2_17", "musllinux_1_1")


class PlatformWheel(bdist_wheel):
    """A wheel for any Python 3, of the platforms of its kernels."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.kinds = [path.stem for path in NATIVE.glob("kernels-*.so")]
        self.root_is_pure = not self.kinds

    def get_tag(self) -> tuple[str, str, str]:
        python, abi, platform = super().get_tag()
        if not self.kinds:
            return python, abi, platform
        if sys.platform == "linux":
            machines = {"aarch64" if "aarch64" in kind else "x86_64" for kind in self.kinds}
            platform = ".".join(sorted(f"{tag}_{machine}" for tag in LINUX for machine in machines))
        return "py3", "none", platform


setup(cmdclass={"bdist_wheel": PlatformWheel})
