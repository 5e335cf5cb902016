"""The examples that a tuning has learned, and the search for the nearest."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_grpc.errors import InternalServerError
from genai_grpc.local.services.learned_examples import COMPARED, LearnedExamples, Pair
from genai_grpc.local.state import tunings
from genai_grpc.local.state.tunings import Vectors


@pytest.fixture(params=["numpy", "no numpy"])
def _numpy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search with numpy, and without."""
    if request.param == "no numpy":
        monkeypatch.setattr(tunings, "_numpy", lambda: None)
    else:
        pytest.importorskip("numpy")


def unit(position: int, size: int = 128) -> array[float]:
    """A vector of length 1, at right angles to those of other positions."""
    return array("f", [float(index == position) for index in range(size)])


def pair(given: int, wanted: int) -> Pair:
    return unit(given), unit(wanted)


@pytest.mark.usefixtures("_numpy")
def test_losses() -> None:
    """The loss is 1 without an earlier example, and then from the output of the one with the nearest input."""
    learned = LearnedExamples()
    assert learned.learn([pair(1, 2), pair(1, 2)]) == 1.0
    assert learned.learn([pair(3, 4)]) == 1.0
    assert learned.learn([pair(1, 2), pair(3, 4)]) == 0.0
    assert learned.learn([pair(1, 2), pair(1, 4)]) == 0.5
    assert [learned.inputs[index].index(1.0) for index in range(7)] == [1, 1, 3, 1, 3, 1, 1]


@pytest.mark.usefixtures("_numpy")
def test_bound() -> None:
    """An example is compared with the latest 100, so that the time is proportional to their number."""
    learned = LearnedExamples()
    learned.learn([pair(1, 1)])
    learned.learn([pair(0, 0)] * (COMPARED - 1))
    assert learned.learn([pair(1, 1)]) == 0.0
    learned.learn([pair(0, 0)] * COMPARED)
    assert learned.learn([pair(1, 1)]) == 1.0


def test_lengths() -> None:
    """Vectors of different lengths are a defect of the engine, and nothing is learned of them."""
    learned = LearnedExamples()
    learned.learn([pair(1, 2)])
    with pytest.raises(InternalServerError, match="returned vectors of 128 and of 2 numbers; all need one length"):
        learned.learn([pair(1, 2), (unit(1), unit(1, size=2))])
    assert len(learned.inputs.values) == 128


vectors = st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), max_size=20)


@given(vectors, st.lists(st.integers(-9, 9), min_size=2, max_size=3), st.integers(1, 4))
@settings(deadline=None)
def test_search(stored: list[list[int]], vector: list[int], count: int) -> None:
    """The search finds the greatest dot products, last the greatest, with numpy as without it."""
    numpy = pytest.importorskip("numpy")
    searched = Vectors(3, array("f", [value for each in stored for value in each]))
    expected = [float(sum(a * b for a, b in zip(each, vector, strict=False))) for each in stored]
    for module in (numpy, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tunings, "_numpy", lambda module=module: module)
            assert searched.similarities(vector) == expected
            nearest = searched.nearest(vector, count)
            assert [expected[index] for index in nearest] == sorted(expected)[-count:]
            assert len(set(nearest)) == min(count, len(stored))
