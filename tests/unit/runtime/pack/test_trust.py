"""Whom a pack is taken from, and which pack: what is not said plainly is refused."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sigmac.compiler.packaging.writer import write_pack
from sigmac.runtime import PackError, load_pack
from sigmac.runtime.pack.seal import MANIFEST, SIGNATURE, render_manifest
from sigmac.runtime.pack.trust import has_small_order, raw_keys, version_key
from tests.unit.packs import compile_text, rule, write_text_pack

RULES = rule("s: {A: x}\ncondition: s")
P = (1 << 255) - 19
# The y of the points of order 1, 2, 4 and 8, also as they are written beyond the field
SMALL = (
    *(0, 1, P - 1, P, P + 1),
    int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
)


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def signed(folder: Path, key: Ed25519PrivateKey, **options: Any) -> Path:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_pack(compile_text(RULES, folder, **options).rendered, folder / "pack", sign=pem)
    return folder / "pack"


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    "keys", [[], (), "", b"", {}, iter(())], ids=lambda keys: type(keys).__name__
)
def test_who_trusts_nobody_takes_no_pack(tmp_path: Path, keys: Any) -> None:
    unsigned = write_text_pack(RULES, tmp_path)
    assert len(load_pack(unsigned, trusted_keys=None)) == 1
    with pytest.raises(PackError):
        load_pack(unsigned, trusted_keys=keys)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (b"x" * 32, "come as a list"),
        ("ab" * 32, "come as a list"),
        (5, "come as a list"),
        ([None], "not NoneType"),
        ([5], "not int"),
        ([["ab" * 32]], "not list"),
        (["\ud800"], "neither PEM"),
        ([b"x" * 31], "neither PEM"),
    ],
)
def test_what_is_no_list_of_keys_is_said(tmp_path: Path, keys: Any, says: str) -> None:
    with pytest.raises(PackError, match=says):
        load_pack(write_text_pack(RULES, tmp_path), trusted_keys=keys)


def test_a_file_of_several_keys_is_not_taken_for_one(key: Ed25519PrivateKey) -> None:
    with pytest.raises(PackError, match="several"):
        raw_keys([public_pem(key) + public_pem(Ed25519PrivateKey.generate())])
    assert raw_keys([public_pem(key)]) == (key.public_key().public_bytes_raw(),)


@pytest.mark.parametrize("y", SMALL, ids=hex)
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_for_which_anybody_can_sign_is_none(tmp_path: Path, y: int, sign: int) -> None:
    point = (y | sign << 255).to_bytes(32, "little")
    assert has_small_order(point)
    pack = write_text_pack(RULES, tmp_path)
    # R is the point, S is nothing: this holds for every manifest.
    forged = {"key": point.hex(), "signature": (point + bytes(32)).hex()}
    (pack / SIGNATURE).write_bytes(render_manifest(forged))
    with pytest.raises(PackError, match="small order"):
        load_pack(pack, trusted_keys=[point])


def test_keys_that_are_made_have_no_small_order() -> None:
    for _ in range(50):
        assert not has_small_order(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


# Which pack


def test_a_signed_pack_is_only_the_one_that_is_asked_for(
    tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    pack = signed(tmp_path, key, version="1.10.0")
    keys = [key.public_key().public_bytes_raw()]
    for version in (None, "1.10", "1.9.9", "1.10.0rc1", "0"):
        load_pack(pack, trusted_keys=keys, name="test", least_version=version)
    with pytest.raises(PackError, match=r"is 'test', not 'other'"):
        load_pack(pack, trusted_keys=keys, name="other")
    for version in ("1.10.1", "1.10.0.post1", "2"):
        with pytest.raises(PackError, match=r"version 1\.10\.0, which is below"):
            load_pack(pack, trusted_keys=keys, least_version=version)
    with pytest.raises(PackError, match="is no version"):
        load_pack(pack, least_version="newest")


def test_versions_are_ordered_as_pep_440_has_it() -> None:
    # Each is above the one before it.
    ordered = [
        "0.9",
        "1.0.dev1",
        "1.0a1.dev1",
        "1.0a1",
        "1.0a2",
        "1.0b1",
        "1.0rc1.dev2",
        "1.0rc1",
        "1.0",
        "1.0.post1.dev1",
        "1.0.post1",
        "1.0.post2",
        "1.0.1",
        "1.1.dev1",
        "1.1",
        "1.10",
        "2",
        "10",
    ]
    keys = [version_key(each) for each in ordered]
    assert all(one < two for one, two in itertools.pairwise(keys))
    assert version_key("1.0.0") == version_key("1") == version_key("1.0+local.2")
    for wrong in ("", "1.", "v1", "1.0-1", "1 ", "٣", "9" * 201):
        with pytest.raises(PackError):
            version_key(wrong)


# Installed packs


def install(site: Path, name: str, module: str, wheel: str = "one") -> None:
    info = site / f"{wheel}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wheel}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[sigmac.packs]\n{name} = {module}\n")


def test_nothing_of_an_installed_pack_is_imported_to_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    package = tmp_path / "site" / "hostile_top"
    (package / "sub").mkdir(parents=True)
    for file in (package / "__init__.py", package / "sub" / "__init__.py"):
        file.write_text(f"open({str(canary)!r}, 'w').close()\n")
    install(tmp_path / "site", "hostile", "hostile_top.sub")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackError, match="no package of its own"):
        load_pack("hostile")
    assert not canary.exists()
    assert "hostile_top" not in sys.modules


def test_two_installed_packs_of_one_name_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("first_pack", "second_pack"):
        install(tmp_path / "site", "twice", module, wheel=module)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackError, match="several installed packs are called `twice`"):
        load_pack("twice")


def test_the_names_of_a_pack_are_shown_never_obeyed(tmp_path: Path) -> None:
    pack = write_text_pack(RULES, tmp_path)
    content = orjson.loads((pack / MANIFEST).read_bytes())
    (pack / MANIFEST).write_bytes(render_manifest({**content, "name": "\x1b[31m"}))
    assert repr(load_pack(pack)) == "<Pack \\x1b[31m 0.0.0: 1 rules>"
    for number in (True, 1.0):
        (pack / MANIFEST).write_bytes(render_manifest({**content, "format": number}))
        with pytest.raises(PackError):
            load_pack(pack)
