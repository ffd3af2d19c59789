"""What the sweep benchmark measures, and what it found."""

import dataclasses

from benchmarks.harness import Rate
from benchmarks.sweep import work

MATMUL = "matmul"
WHOLE = "whole maps, "
"""Before the names of the pipelines that compute whole maps."""

Key = tuple[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """How much is measured.

    Attributes:
        sizes: Sides of the images, in pixels; whole maps are computed at the first.
        stimuli: How many of the 10,240 the fast pipelines get.
        slow: How many the pipelines get that run the net on whole images, by size.
        maps: How many all get where whole maps are computed.
        judged: How many responses are compared with those to the true coverage; of whole maps, a sixteenth as many.
        samples: Points a side of every pixel, for the true coverage.
        rounds: Turns of everyone.
        fresh: How often each is started in a process of its own.
        counts: Numbers of stimuli for which circuitkit's memory is measured, each in a process of its own.
        grown: Number of stimuli for which the others' is.
        matmul: Rows of the square matrices whose product shows what the machine can do.
        angles: Of the sweep over SqueezeNet.
        radii: Of the sweep over SqueezeNet.
        sweeps: How often that is done, beyond the first.
    """

    sizes: tuple[int, ...] = (64, 224)
    stimuli: int = len(work.stimuli())
    slow: tuple[int, ...] = (512, 64)
    maps: int = 2048
    judged: int = 256
    samples: int = 16
    rounds: int = 7
    fresh: int = 5
    counts: tuple[int, ...] = (10_240, 102_400, 1_024_000)
    grown: int = 10_240
    matmul: int = 2048
    angles: int = 36
    radii: int = 12
    sweeps: int = 3


SMOKE = Config(
    sizes=(64,),
    stimuli=64,
    slow=(8,),
    maps=8,
    judged=32,
    samples=16,
    rounds=1,
    fresh=1,
    counts=(1280,),
    grown=64,
    matmul=64,
    angles=4,
    radii=1,
    sweeps=1,
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        missing: What each pipeline that is left out lacks.
        rates: Stimuli a second, by pipeline and size, round by round; of the matrix product, GFLOP/s.
        errors: Differences from the responses to the true coverage, as a share of their norm.
        same: Largest differences from a net in float64 on the same images, as a share of the largest response.
        first: Seconds until the first responses and until all, by pipeline and size, for each process.
        memory: What `alone` found of pipelines and numbers of stimuli.
        squeezenet: Seconds of each sweep, the first with its compilations; none where the net is not at hand.
        threads: How many threads torch uses; 0 without torch.
    """

    missing: dict[str, list[str]]
    rates: dict[Key, list[Rate]]
    errors: dict[Key, float]
    same: dict[str, float]
    first: dict[Key, list[dict[str, float]]]
    memory: dict[Key, dict[str, float]]
    squeezenet: list[float]
    threads: int
