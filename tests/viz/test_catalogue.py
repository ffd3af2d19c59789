"""The catalogue shows every kind of stimulus, and what it shows is what the line below draws."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from circuitkit import stimuli
from circuitkit.viz import catalogue


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        # Two groups stand for all, which take half a minute to draw.
        patch.setattr(catalogue, "GROUPS", {"colours": "Colours", "combine": "Figures made of figures"})
        path = catalogue.write_catalogue(tmp_path_factory.mktemp("catalogue") / "deep")
    return path.read_text(encoding="utf-8")


def test_each_kind_is_in_one_group() -> None:
    shown = [kind.__name__ for module in catalogue.GROUPS for kind in catalogue._classes(module)]
    assert sorted(shown) == sorted(set(stimuli.CATALOGUE) - {"Photograph"})


def test_every_kind_and_parameter_of_a_group_is_on_the_page(page: str) -> None:
    for module in ("colours", "combine"):
        for kind in catalogue._classes(module):
            assert f">{kind.__name__}</h3>" in page
            assert all(f">{name}</th>" in page for name in catalogue._own(kind))
    assert "Attributes:" not in page
    assert page.partition("<main>")[2].count("`") == 0


def test_pictures_are_what_their_lines_draw(page: str) -> None:
    drawn = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    assert len(drawn) > 40
    wheel = stimuli.HueWheel(turns=0.5)
    (data,) = [data for data, alt in drawn if alt == repr(wheel)]
    shown = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))
    image = np.asarray(wheel.draw(64, renderer=stimuli.EXACT))
    np.testing.assert_array_equal(shown, np.round(127.5 * (np.clip(image, -1, 1) + 1)))


def test_the_page_is_well_formed_and_asks_for_nothing(page: str) -> None:
    class Check(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, name: str, attrs: object) -> None:
            del attrs
            if name not in ("meta", "img", "wbr", "br"):
                self.open.append(name)

        def handle_endtag(self, name: str) -> None:
            assert self.open.pop() == name

    check = Check()
    check.feed(page)
    assert check.open == []
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_examples_change_one_parameter_at_a_time_within_its_bounds() -> None:
    first, *others = catalogue.examples(stimuli.Star)
    for other in others:
        changed = [name for name in stimuli.parameter.parameters(first) if getattr(first, name) != getattr(other, name)]
        assert len(changed) == 1
    assert {other.points for other in others} >= {4.0, 9.0}


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        catalogue.write_catalogue(tmp_path / "file")
