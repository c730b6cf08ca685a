"""Chaos and soak with a ledger: `python -m tests.integration.chaos --kills 1000`, or `--minutes 60`.

Numbered events go into a topic all the time. The service is killed, stopped, frozen, joined and left by a second
one, cut from the broker; the broker is frozen and restarted. A reader of committed records takes what comes out, and at
the end it is compared with the ledger. docs/delivery-proof.md has the method and the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.integration.brokers import ApacheKafka, Unavailable
from tests.integration.census import Census, growth
from tests.integration.disturbed import Disturbed, log
from tests.integration.ledger import RULES
from tests.integration.verdict import DELIVERIES, Circumstances, Report, table
from tests.unit.packs import write_text_pack


def run_chaos(
    broker: ApacheKafka, pack: Path, folder: Path, circumstances: Circumstances, kills: int
) -> Report:
    """Faults until so many processes were killed."""
    disturbed = Disturbed(broker, pack, folder, circumstances)
    with disturbed.running():
        disturbed.until_killed(kills)
    return disturbed.report


def run_soak(
    broker: ApacheKafka, pack: Path, folder: Path, circumstances: Circumstances, minutes: float
) -> Report:
    """A fault every minute, and an eye on the processes."""
    disturbed = Disturbed(broker, pack, folder, circumstances)
    with disturbed.running(), Census(disturbed.processes) as census:
        disturbed.for_minutes(minutes)
    disturbed.report.growth = growth(census.seen)
    return disturbed.report


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every promise was kept."""
    logging.getLogger("rdkafka").setLevel(logging.CRITICAL)
    chosen = _parser().parse_args(arguments)
    if chosen.verbose:
        logging.basicConfig(format="%(message)s")
        log.setLevel(logging.DEBUG)
    with contextlib.ExitStack() as stack:
        folder = chosen.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigmac-chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            broker = ApacheKafka(folder)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        broker.start()
        stack.callback(broker.kill)
        reports = [*_runs(broker, folder, chosen)]
    print(table(reports))
    for report in reports:
        for problem in report.problems:
            print(f"\n{report.circumstances.delivery}: {problem}")
    if chosen.report is not None:
        figures = [{**asdict(report), "kept": report.kept} for report in reports]
        chosen.report.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if all(report.kept for report in reports) else 1


def _runs(broker: ApacheKafka, folder: Path, chosen: argparse.Namespace) -> Iterator[Report]:
    deliveries = DELIVERIES if chosen.delivery == "both" else (chosen.delivery,)
    pack = write_text_pack(RULES, folder / "pack")
    for delivery in deliveries:
        place = folder / delivery
        place.mkdir()
        if chosen.minutes is None:
            circumstances = Circumstances(delivery, chosen.seed, chosen.rate)
            kills = -(-chosen.kills // len(deliveries))
            yield run_chaos(broker, pack, place, circumstances, kills)
        else:
            circumstances = Circumstances(delivery, chosen.seed, chosen.rate, spare=True)
            yield run_soak(broker, pack, place, circumstances, chosen.minutes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="in all")
    parser.add_argument(
        "--minutes", type=float, help="a soak instead, for each delivery: a fault every minute"
    )
    parser.add_argument("--delivery", choices=[*DELIVERIES, "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=1000, help="records a second")
    parser.add_argument("--report", type=Path, help="write all figures to this file, as JSON")
    parser.add_argument("--folder", type=Path, help="keep logs and data here")
    parser.add_argument("--verbose", action="store_true", help="tell every fault")
    return parser


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
