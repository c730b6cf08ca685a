"""Which field is said to have been meant."""

from __future__ import annotations

import pytest

from sigmac.runtime.chances.nearest_field import FieldNames

NAMES = FieldNames(
    {
        "CommandLine": 9,
        "Image": 9,
        "TargetUserSid": 9,
        "host": 9,
        "host.name": 9,
        "process.name": 8,
        "winlog.event_data.ParentImage": 7,
        "protoPayload.methodName": 5,
        'labels."app.kubernetes.io"': 1,
    }
)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("commandline", "CommandLine"),
        ("command_line", "CommandLine"),
        ("process.command_line", "CommandLine"),
        ("method.name", "protoPayload.methodName"),
        ("Imgae", "Image"),
        ("CommnadLine", "CommandLine"),
        ("ParentImage", "winlog.event_data.ParentImage"),
        ("event_data.ParentImage", "winlog.event_data.ParentImage"),
        ("gcp.audit.method_name", "protoPayload.methodName"),
        ("data.protoPayload.methodName", "protoPayload.methodName"),
        ("labels.app.kubernetes.io", 'labels."app.kubernetes.io"'),
        # As near as these, another thing is meant.
        ("TargetUserName", None),
        ("user.name", None),
        ("cs-host", None),
        ("x", None),
        ("q" * 5_000, None),
        ("", None),
    ],
)
def test_nearest(asked: str, nearest: str | None) -> None:
    assert NAMES.nearest(asked) == nearest
