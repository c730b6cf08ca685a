"""A pack as an installable wheel (PEP 427) that `sigmac.load_pack("name")` finds by its entry point."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from sigmac import __version__
from sigmac.compiler.packaging.replace import replace_file
from sigmac.runtime.pack.finding import ENTRY_POINTS

_DATE = (1980, 1, 1, 0, 0, 0)  # the first of a zip file: the same pack gives the same bytes


def write_wheel(pack: Path, name: str, version: str) -> Path:
    """Write the wheel of a built pack beside its folder and return its path.

    It installs the package `sigmac_pack_<name>` as it lies in the folder, signature included. Raises `OSError` where
    it cannot be written; a wheel that was there is then untouched.
    """
    package = f"sigmac_pack_{name.replace('-', '_').lower()}"
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}/{path.relative_to(pack).as_posix()}": path.read_bytes()
        for path in sorted(pack.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: {version}\n"
        f"Summary: Sigma rule pack {name}\nRequires-Python: >=3.11\nRequires-Dist: sigmac>={__version__}\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: sigmac {__version__}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    files[f"{info}/entry_points.txt"] = f"[{ENTRY_POINTS}]\n{name} = {package}\n".encode()
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    target = pack.with_name(f"{package}-{version}-py3-none-any.whl")
    replace_file(target, _archived(files))
    return target


def _archived(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, date_time=_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return made.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
