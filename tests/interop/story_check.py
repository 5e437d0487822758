"""Show the credentials of a story directory to verifiers that others wrote.

``python -m tests.interop.story_check DIR [--schemas FOLDER] [--origin https://story.example]``
where FOLDER defaults to the official schemas below ``TASSEL_TEST_MATERIAL``.

DIR holds ``credentials/*.json|*.jwt|*.png``, ``www/`` with every file that their names resolve to
at its URL path, and ``summary.json`` whose ``revoked`` lists file names. Expected: every verifier
accepts every credential that it can read, every one refuses those that are revoked and those of
which one character was changed. Exit code 0 only if all of that holds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openbadgeslib.ob3 import OB3Verifier

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "verifiers"

VERIFIERS = {
    "verifier-core": ".json",
    "digitalbazaar-vc": ".json",
    "jose": ".jwt",
}
"""Script -> ending of the files that it reads. All check proof, time and status."""

TAMPERED_FILES = 3
"""How many credentials of each form are shown once more with one character changed."""


@dataclass
class Report:
    """What the verifiers said. ``problems`` is empty if and only if all is as expected."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused_as_revoked: Counter[str] = field(default_factory=Counter)
    refused_as_tampered: Counter[str] = field(default_factory=Counter)
    unbaked: int = 0
    skipped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(self.__dict__, indent=1)


def missing_tools() -> str | None:
    """Why the verifiers cannot run here, or None."""
    if not shutil.which("node"):
        return "node is not installed"
    if not (ROOT / "node_modules/@digitalbazaar/vc").is_dir():
        return "the verifiers are not installed: npm ci"
    return None


def material_schemas() -> Path | None:
    """Where the official schemas are, if the material outside the repository is at hand."""
    material = os.environ.get("TASSEL_TEST_MATERIAL")
    return Path(material) / "standards/openbadges" if material else None


def verify_directory(
    folder: Path, *, origin: str = "https://story.example", schemas: Path | None = None
) -> Report:
    """Run every verifier over the story in ``folder``.

    :param schemas: folder with the official JSON schemas; without it that check is skipped.
    :raises RuntimeError: a verifier did not run at all.
    """
    report = Report()
    revoked = {
        Path(name).stem
        for name in json.loads((folder / "summary.json").read_text(encoding="utf-8"))["revoked"]
    }
    places = [f"{origin}={folder / 'www'}"]
    credentials = sorted((folder / "credentials").iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        for verifier, suffix in VERIFIERS.items():
            files = [path for path in credentials if path.suffix == suffix]
            _check_stated(report, verifier, files, revoked, places)
            standing = [path for path in files if path.stem not in revoked][:TAMPERED_FILES]
            changed = [_tampered(path, Path(scratch)) for path in standing]
            _check_tampered(report, verifier, changed, places)
    _check_shape(report, [p for p in credentials if p.suffix != ".png"], schemas)
    _check_pictures(report, [p for p in credentials if p.suffix == ".png"])
    return report


def run_verifier(
    verifier: str, files: Sequence[Path], places: Sequence[str], schemas: Path | None = None
) -> Iterator[tuple[Path, str, str]]:
    """(file, verdict, reasons) of each file, in order.

    :param places: ``ORIGIN=FOLDER`` pairs that answer for the network.
    :raises RuntimeError: the script broke before it had judged every file.
    """
    options = [f"--www={place}" for place in places]
    if schemas is not None:
        options.append(f"--schemas={schemas}")
    for start in range(0, len(files), 500):
        batch = files[start : start + 500]
        done = subprocess.run(
            ["node", str(SCRIPTS / f"{verifier}.mjs"), *options, *map(str, batch)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        if len(lines) != len(batch):
            raise RuntimeError(f"{verifier} judged {len(lines)} of {len(batch)}:\n{done.stderr}")
        for path, line in zip(batch, lines, strict=True):
            answer = json.loads(line)
            reasons = [*answer["why"], *(f"no {url}" for url in answer.get("missed", []))]
            yield path, answer["verdict"], "; ".join(reasons)


def _check_stated(
    report: Report,
    verifier: str,
    files: Sequence[Path],
    revoked: set[str],
    places: Sequence[str],
) -> None:
    if not files:
        report.problems.append(f"{verifier}: there is no file to judge")
    for path, verdict, why in run_verifier(verifier, files, places):
        wanted = "invalid" if path.stem in revoked else "valid"
        if verdict != wanted:
            report.problems.append(f"{verifier}: {path.name} is {verdict}, not {wanted}: {why}")
        elif wanted == "valid":
            report.accepted[verifier] += 1
        else:
            report.refused_as_revoked[verifier] += 1
    if not report.refused_as_revoked[verifier]:
        report.problems.append(f"{verifier}: no revoked credential was refused")


def _check_tampered(
    report: Report, verifier: str, files: Sequence[Path], places: Sequence[str]
) -> None:
    if not files:
        report.problems.append(f"{verifier}: there is no standing credential to change")
    for path, verdict, _ in run_verifier(verifier, files, places):
        if verdict == "invalid":
            report.refused_as_tampered[verifier] += 1
        else:
            report.problems.append(f"{verifier}: a changed {path.name} is {verdict}")


def _check_shape(report: Report, files: Sequence[Path], schemas: Path | None) -> None:
    if schemas is None or not schemas.is_dir():
        report.skipped.append("schema: the official schemas are not at hand")
        return
    for path, verdict, why in run_verifier("schema", files, [], schemas):
        if verdict == "valid":
            report.accepted["schema"] += 1
        else:
            report.problems.append(f"schema: {path.name} is {verdict}: {why}")


def _check_pictures(report: Report, files: Sequence[Path]) -> None:
    """Each picture holds the bytes of the file beside it, read by a foreign library."""
    if not files:
        report.problems.append("unbake: there is no picture")
    for path in files:
        token = OB3Verifier.extract_token_from_png(path.read_bytes())
        beside = [path.with_suffix(suffix) for suffix in (".json", ".jwt")]
        if (token or "").encode() in [other.read_bytes() for other in beside if other.exists()]:
            report.unbaked += 1
        else:
            report.problems.append(f"unbake: {path.name} does not hold what stands beside it")


def _tampered(path: Path, scratch: Path) -> Path:
    """A copy of the credential in which the lowest bit of one character is flipped."""
    text = path.read_bytes()
    # Inside the achievement's name, or in the middle of a token's payload: both stay readable.
    if path.suffix == ".json":
        at = text.index(b'"name":"') + 9
    else:
        at = len(text.split(b".")[0]) + len(text.split(b".")[1]) // 2
    copy = scratch / path.name
    copy.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
    return copy


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; prints the report as JSON."""
    parser = argparse.ArgumentParser(description="Judge a story directory by foreign verifiers.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--origin", default="https://story.example")
    parser.add_argument("--schemas", type=Path, default=material_schemas())
    chosen = parser.parse_args(arguments)
    reason = missing_tools()
    if reason:
        sys.stderr.write(f"cannot judge: {reason}\n")
        return 2
    report = verify_directory(chosen.folder, origin=chosen.origin, schemas=chosen.schemas)
    sys.stdout.write(report.to_json() + "\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
