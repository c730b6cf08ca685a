"""`sigmac serve`, which `sigmac run --config` is as well: a pack over streams or for clients, until it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from sigmac.cli.command import Argument, Command
from sigmac.cli.direct_rules import holds_rules
from sigmac.cli.options import COMPILER, need, pipeline

EXAMPLE = """Examples:

  sigmac serve sigmac.yml

  sigmac serve /etc/sigmac/sigmac.toml

  sigmac serve build/windows --socket run/sigmac.sock

  sigmac serve rules/ --pipeline windows --socket run/sigmac.sock
"""
PACK = "rules"  # name in service of the pack for clients of a socket
_REQUESTS = 10_000.0  # a second, of the programs of one user
_STREAMS = 256
_LOOK = 0.5  # seconds between looks at the pack


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "given",
    cls=Argument,
    nargs=-1,
    required=True,
    type=click.Path(),
    metavar="CONFIG|PACK|RULES...",
    help="Configuration of the service, YAML or TOML; with --socket a pack, or rule files and folders.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Evaluate events for clients of this Unix socket, and read none.",
)
@pipeline
@click.option(
    "--until-eof",
    is_flag=True,
    help="End when standard input does: for a program that starts this one.",
)
def serve(
    given: tuple[str, ...], socket: Path | None, pipeline: tuple[str, ...], until_eof: bool
) -> None:
    """Evaluate streams: topics of Redpanda or Kafka, or followed files, as a configuration says.

    With --socket it evaluates what clients send, with a pack or with rules, and takes up their changes; only programs
    of the same user reach it.

    It runs until SIGTERM or Ctrl-C, finishes the batch in work, and leaves. A second signal ends it at once. Exit
    status 0 after a signal or at the end of the source, 1 where trying again cannot help.
    """
    if socket is not None:
        serve_clients(given, socket, pipeline, until_eof=until_eof)
        return
    if pipeline or until_eof:
        raise click.BadParameter("these are for --socket", param_hint="--pipeline, --until-eof")
    if len(given) > 1:
        raise click.BadParameter("one configuration, or several with --socket", param_hint="CONFIG")
    run_service(Path(given[0]))


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


def serve_clients(
    names: tuple[str, ...], socket: Path, pipelines: tuple[str, ...], *, until_eof: bool
) -> None:
    """Evaluate for clients of a Unix socket, with a pack or with rules, until a signal comes."""
    need("service", "pydantic", "structlog", "yaml", "grpc")
    rules = len(names) > 1 or holds_rules(names[0])
    if rules:
        need("compiler", *COMPILER)
    elif pipelines:
        raise click.BadParameter(
            "a pack was built with its pipelines; rules are given some", param_hint="--pipeline"
        )
    with tempfile.TemporaryDirectory(prefix="sigmac-serve-") as folder:
        _serve_in(Path(folder), names, socket, pipelines if rules else None, until_eof=until_eof)


def _serve_in(
    folder: Path,
    names: tuple[str, ...],
    socket: Path,
    pipelines: tuple[str, ...] | None,
    *,
    until_eof: bool,
) -> None:
    """With what is kept meanwhile in a folder; `pipelines` is None for a pack."""
    from sigmac import __version__
    from sigmac.cli.rules_in_service import RulesInService
    from sigmac.runtime.service.config.configuration import settings_of
    from sigmac.runtime.service.observe.logs import configure_logs
    from sigmac.runtime.service.supervisor import Supervisor

    rules = None if pipelines is None else RulesInService(names, pipelines, folder / "pack")
    settings = settings_of(
        {
            "state": folder / "state",
            "packs": {PACK: {"path": names[0] if rules is None else str(rules.folder)}},
            "source": {"clients": {}},
            "reload": {"watch": _LOOK},
            "control": {
                "bind": f"unix:{socket}",
                # Whoever reaches the socket is the user who could change the pack, too.
                "allow_unsigned_packs": True,
                "requests_per_second": _REQUESTS,
                "max_streams": _STREAMS,
            },
        }
    )
    configure_logs(settings)
    # Before the supervisor handles signals, too, nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if until_eof:
        threading.Thread(target=_stop_at_end, daemon=True).start()
    if rules is not None:
        rules.build()
    supervisor = Supervisor(settings, __version__, left_out=rules.left_out if rules else {})
    stopping = threading.Event()
    try:
        if rules is not None:
            rules.follow(stopping)
        supervisor.run()
    finally:
        stopping.set()


def _stop_at_end() -> None:
    while os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
