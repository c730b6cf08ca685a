"""`sigmac serve`, which `sigmac run --config` is as well: a pack over streams, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = """Examples:

  sigmac serve sigmac.yml

  SIGMAC_DELIVERY=exactly-once sigmac run --config sigmac.yml
"""


def serve(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration of the service, YAML or TOML.")
    ],
) -> None:
    """Evaluate streams: topics of Redpanda or Kafka, or followed files, as a configuration says.

    It runs until SIGTERM or Ctrl-C, finishes the batch in work, and leaves. A second signal ends it at once.
    """
    try:
        from sigmac.runtime.service.configuration import load_settings
        from sigmac.runtime.service.logs import configure_logs
        from sigmac.runtime.service.supervisor import Supervisor
    except ModuleNotFoundError as error:
        raise typer.BadParameter(
            f"streams need more packages ({error.name} is missing): pip install 'sigmac[kafka,service]'"
        ) from None
    from sigmac import __version__

    settings = load_settings(config)
    configure_logs(settings)
    Supervisor(settings, __version__).run()
