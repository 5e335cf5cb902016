"""Programs for google.generativeai behave the same with our package: hundreds run with both, compared by field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.installed.differential.differences import DIFFERENCES, OUTCOME_DIFFERENCES, normalise
from tests.installed.differential.messages import MESSAGES
from tests.installed.differential.runs import describe, to_programs

if TYPE_CHECKING:
    from tests.installed.conftest import MakeVenv

pytestmark = [pytest.mark.venv, pytest.mark.libraries, pytest.mark.timeout(600)]

DIFFERENTIAL: Final = Path(__file__).with_name("differential")
MIN_PROGRAMS: Final = 300


@pytest.fixture(scope="module")
def recorded(repository: Path, make_venv: MakeVenv, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The recorded runs of the programs with both packages, in one process of a venv that has both."""
    # Hypothesis is pinned: another release draws other programs.
    venv = make_venv(str(repository), "google-generativeai==0.8.6", "hypothesis==6.168.5", "pillow")
    folder = tmp_path_factory.mktemp("programs")
    drawn = folder / "programs.json"
    # Its modules import each other from the root of the repository, and neither package.
    drawn.write_text(venv.run(str(DIFFERENTIAL / "programs.py"), PYTHONPATH=str(repository)))
    return venv.run(str(DIFFERENTIAL / "recorder.py"), str(drawn), str(folder))


def test_programs_behave_the_same(recorded: str) -> None:
    """Each program sends, observes and raises the same with both packages, except for the listed differences."""
    programs = to_programs(recorded)
    assert len({program.text for program in programs}) >= MIN_PROGRAMS
    applied = set[str]().union(*map(normalise, programs))
    unexplained = [describe(program) for program in programs if program.theirs.lines() != program.ours.lines()]
    assert not unexplained, f"{len(unexplained)} of {len(programs)}:\n" + "\n\n".join(unexplained[:20])
    listed = {difference.__name__ for difference in DIFFERENCES} | {outcome.reason for outcome in OUTCOME_DIFFERENCES}
    assert applied == listed, f"no program has these differences: {listed - applied}"


def test_most_programs_run(recorded: str) -> None:
    """Except for the invalid ones and those about messages, nine of ten programs send a request with both packages."""
    areas = {program.area for program in to_programs(recorded) if not program.area.startswith("invalid")}
    valid = [program for program in to_programs(recorded) if program.area in areas - MESSAGES.keys()]
    ran = [program for program in valid if all(run.requests for run in program.runs)]
    assert len(ran) >= 0.9 * len(valid)
