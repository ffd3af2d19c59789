"""Argparse as the commands need it whose options depend on what else is given."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

from circuitkit.errors import StimulusError, unknown_name


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are circuitkit's own."""

    @property
    def names(self) -> set[str]:
        """Its options, without their dashes."""
        return {option.lstrip("-") for action in self._actions for option in action.option_strings}

    def read(self, arguments: Sequence[str], chosen: argparse.Namespace | None = None) -> argparse.Namespace:
        """Returns the options, or names the one that is misspelt."""
        found, unknown = self.parse_known_args(arguments, chosen or argparse.Namespace())
        if unknown:
            wrong = next((each for each in unknown if each.startswith("-")), None)
            if wrong is None:
                raise StimulusError(f"{self.prog} got {unknown[0]!r}, which belongs to no option.")
            known = [f"--{name}" for name in sorted(self.names)]
            raise unknown_name("option", wrong.partition("=")[0], known, owner=self.prog)
        return found

    def error(self, message: str) -> Any:
        """Raises what argparse has to say."""
        raise StimulusError(f"{self.prog}: {message}.")


def joined(arguments: Sequence[str]) -> list[str]:
    """Joins a value that starts with a minus sign to its option, as argparse wants it."""
    found: list[str] = []
    for each in arguments:
        if found and re.match(r"-[\d.i]", each) and re.fullmatch(r"--[\w.]+", found[-1]):
            found[-1] += f"={each}"
        else:
            found.append(each)
    return found


def argument(arguments: Sequence[str], flag: str) -> str | None:
    """Returns what is given for an option, before it is parsed."""
    for place, each in enumerate(arguments):
        if each == flag and place + 1 < len(arguments):
            return arguments[place + 1]
        if each.startswith(f"{flag}="):
            return each.partition("=")[2]
    return None
