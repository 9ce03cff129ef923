"""``python -m metrics.reader_study make`` and ``python -m metrics.reader_study score``."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gen.files import write_json
from gen.records import InputError
from metrics.reader_study import __doc__ as about
from metrics.reader_study.answers import read_answers, read_key, score
from metrics.reader_study.kit import key_of, make_kit


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or score a kit; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m metrics.reader_study", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("make", help="write a kit for readers, and its key beside it")
    make.add_argument("--real", required=True, help="records as for physiogen benchmark")
    make.add_argument("--generated", required=True, help="likewise")
    make.add_argument("-n", type=int, default=40, dest="count", help="pictures, half of each group")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--out", type=Path, required=True, help="folder for the readers")
    make.add_argument("--key", type=Path, help="file of the truth; by default beside the folder, KIT.key.json")
    make.add_argument("--cine", action="store_true", help="the sets are folders of cine loops (NPZ, NIfTI)")
    make.set_defaults(run=_make)
    mark = commands.add_parser("score", help="score filled answer sheets")
    mark.add_argument("kit", type=Path)
    mark.add_argument("answers", type=Path, nargs="+", help="filled sheets, one or more readers each")
    mark.add_argument("--key", type=Path, help="by default beside the kit")
    mark.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    mark.add_argument("--json", action="store_true", help="print JSON")
    mark.add_argument("--out", type=Path, help="also write the figures as JSON")
    mark.set_defaults(run=_score)
    return parser


def _make(options: argparse.Namespace) -> int:
    cases = make_kit(
        options.real,
        options.generated,
        count=options.count,
        seed=options.seed,
        out=options.out,
        key=options.key,
        cine=options.cine,
    )
    print(f"{len(cases)} pictures in {options.out}; the key, not for readers, in {options.key or key_of(options.out)}")
    return 0


def _score(options: argparse.Namespace) -> int:
    truth = read_key(options.kit, options.key)
    figures = score(read_answers(options.answers, truth), truth, seed=options.seed)
    if options.out:
        write_json(options.out, figures)
    print(json.dumps(figures, indent=2) if options.json else as_text(figures))
    return 0


def as_text(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| reader | n | accuracy [95 %] | synthetic called so | real called synthetic | d' | bias |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, one in figures["readers"].items():
        rates = (
            f"{one['hit_rate']:.3f} | {one['false_alarm_rate']:.3f} | {one['d_prime']:+.2f} | {one['criterion']:+.2f}"
        )
        lines.append(f"| {name} | {one['accuracy']['n']} | {_span(one['accuracy'])} | {rates} |")
    lines.append(f"| all | {figures['answered']} | {_span(figures['accuracy'])} | | | | |")
    verdict = "differs from chance (.5)" if figures["told_apart"] else "chance (.5) is inside the interval"
    lines.append(f"\n{figures['cases']} cases; the interval of all is over cases, for these readers: {verdict}")
    kappa = figures["kappa"]
    if kappa["cohen"]:
        pairs = ", ".join(f"{name} {'undefined' if v is None else f'{v:.3f}'}" for name, v in kappa["cohen"].items())
        lines.append(f"kappa: Fleiss {_span(kappa['fleiss'])} on {kappa['shared']} cases; Cohen {pairs}")
    lines += ["\n| group | quality 1-5 [95 %] | text agreement 1-5 [95 %] |", "|---|---|---|"]
    for name, one in figures["groups"].items():
        lines.append(f"| {name} | {_span(one['quality'], 2)} | {_span(one['text_agreement'], 2)} |")
    return "\n".join(lines)


def _span(interval: Mapping[str, float] | None, digits: int = 3) -> str:
    if interval is None:
        return "not known"
    return f"{interval['value']:.{digits}f} [{interval['low']:.{digits}f}, {interval['high']:.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main())
