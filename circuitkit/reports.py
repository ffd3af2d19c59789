"""Reports as folders: what `ck.verify` found, to be read, drawn and compared again without the net.

    save_report(report, "verdict")
    load_report("verdict").table

A folder holds `report.json` (units, poses, hypothesis, seconds) and `arguments/`, a netCDF file for each argument.
"""

import json
import os
from pathlib import Path

from circuitkit.errors import StoreError
from circuitkit.evidence.argument import Argument
from circuitkit.evidence.files import load_argument, save_argument, subject_from_json, subject_to_json
from circuitkit.verify import Report

FORMAT = "circuitkit report 1"

FILE, ARGUMENTS = "report.json", "arguments"


def file_name(argument: Argument) -> str:
    """Returns what the file of an argument is called: `synthetic_examples.nc`."""
    return f"{argument.name.replace(' ', '_')}.nc"


def save_report(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Writes a report to a folder, which is made if it is missing; returns the path of `report.json`.

    Raises:
        StoreError: If the folder cannot be written.
    """
    place = Path(folder)
    said = {
        "format": FORMAT,
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "arguments": {name: file_name(argument) for name, argument in report.arguments.items()},
        "verdicts": {name: argument.verdict for name, argument in report.arguments.items()},
        "seconds": dict(report.seconds),
        "subject": subject_to_json(report.subject),
    }
    try:
        (place / ARGUMENTS).mkdir(parents=True, exist_ok=True)
        for argument in report.arguments.values():
            save_argument(argument, place / ARGUMENTS / file_name(argument))
        (place / FILE).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{place} cannot be written ({error.strerror or error}): name another folder.") from None
    return place / FILE


def load_report(folder: str | os.PathLike[str]) -> Report:
    """Reads what `save_report` wrote; its net knows names and receptive fields, and refuses to be run.

    Raises:
        StoreError: If the folder holds no report.
    """
    place = Path(folder)
    try:
        said = json.loads((place / FILE).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise StoreError(f"{place / FILE} has format {said['format']!r}: wanted {FORMAT!r}.")
        arguments = {name: load_argument(place / ARGUMENTS / file) for name, file in said["arguments"].items()}
        return Report(subject_from_json(said["subject"]), arguments, said["seconds"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{place} holds no report ({error}): wanted a folder that verify wrote.") from None
