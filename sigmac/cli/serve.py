"""`sigmac serve`, which `sigmac run --config` is as well: a pack over streams, until it is stopped."""

from __future__ import annotations

from pathlib import Path

import click

from sigmac.cli.command import Argument, Command
from sigmac.cli.options import need

EXAMPLE = """Examples:

  sigmac serve sigmac.yml

  sigmac serve /etc/sigmac/sigmac.toml
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "config",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="Configuration of the service, YAML or TOML.",
)
def serve(config: Path) -> None:
    """Evaluate streams: topics of Redpanda or Kafka, or followed files, as a configuration says.

    It runs until SIGTERM or Ctrl-C, finishes the batch in work, and leaves. A second signal ends it at once. Exit
    status 0 after a signal or at the end of the source, 1 where trying again cannot help.
    """
    run_service(config)


def run_service(config: Path) -> None:
    """Evaluate streams as a configuration says, until a signal comes or the source ends."""
    need("service", "pydantic", "structlog", "yaml")
    from sigmac import __version__
    from sigmac.runtime.service.config.configuration import load_settings
    from sigmac.runtime.service.observe.logs import configure_logs

    settings = load_settings(config)
    if settings.uses_kafka:
        need("kafka", "confluent_kafka")
    if settings.correlates:
        need("cluster", "quixstreams")
    if settings.http is not None:
        need("service", "prometheus_client")
    if settings.control is not None:
        need("service", "grpc")
    if settings.tracing is not None:
        need("tracing", "opentelemetry")
    from sigmac.runtime.service.supervisor import Supervisor

    configure_logs(settings)
    Supervisor(settings, __version__).run()
