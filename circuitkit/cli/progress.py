"""The progress bar of commands that last: how many are done, how many a second, and the time that is left."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


def progress_bar(console: Console) -> Progress:
    """Returns a bar that is shown while it is entered."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    return Progress(*columns, console=console)


class _Rate(ProgressColumn):
    """Stimuli a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.0f}/s", style="progress.data.speed")
