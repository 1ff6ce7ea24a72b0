"""TM-score and GDT-TS against the program TMscore, hand calculations and laws."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.errors import StructureError
from molgen.metrics.superposition import (
    GDT_CUTOFFS,
    SuperpositionConfig,
    gdt_ts,
    superposition_scores,
    tm_distance,
    tm_score,
)

# values of TMscore; the script that made the file stands beside it
REFERENCE = json.loads(
    (Path(__file__).parent / "data" / "superposition_reference.json").read_text(encoding="utf-8")
)
TARGET = np.array(REFERENCE["target"])


def moved(points: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec([2.0, -1, 0.5]).apply(points) + np.array([30.0, -10, 5])


@pytest.mark.parametrize("name", sorted(REFERENCE["models"]))
def test_agrees_with_tmscore(name):
    expected = REFERENCE["models"][name]
    found = superposition_scores(TARGET, np.array(expected["coords"]))
    # both searches give lower bounds: ours may be higher, hardly lower
    assert -1e-4 < found.tm_score - expected["tm_score"] < 0.01
    step = 1 / len(TARGET)
    for ours, theirs in zip(found.gdt, expected["gdt"], strict=True):
        assert -1.01 * step < ours - theirs < 4 * step


def test_a_structure_equals_itself_wherever_it_lies():
    for model in (TARGET, moved(TARGET)):
        found = superposition_scores(TARGET, model)
        assert found.tm_score == pytest.approx(1.0)
        assert found.gdt == (1.0, 1.0, 1.0, 1.0)
        assert found.gdt_ts == 1.0


def test_motion_of_the_model_changes_nothing():
    model = np.array(REFERENCE["models"]["hinge at 70"]["coords"])
    here, there = superposition_scores(TARGET, model), superposition_scores(TARGET, moved(model))
    assert there.tm_score == pytest.approx(here.tm_score, abs=1e-6)
    assert there.gdt == pytest.approx(here.gdt, abs=0.0101)


def test_a_mirror_image_is_no_match():
    assert tm_score(TARGET, -TARGET) < 0.4


def test_two_domains_far_apart_by_hand():
    # 80 of 120 residues fit exactly, the other 40 are 100 Å away whenever they do
    model = TARGET.copy()
    model[80:] += [100.0, 0, 0]
    found = superposition_scores(TARGET, model)
    assert found.gdt == (80 / 120,) * 4
    far = 40 / (1 + (100 / tm_distance(120)) ** 2)
    assert found.tm_score == pytest.approx((80 + far) / 120, abs=1e-3)
    # only that domain, on the length of the whole reference
    part = superposition_scores(TARGET[:80], model[:80], length=120)
    assert part.gdt_ts == pytest.approx(80 / 120)
    assert part.tm_score == pytest.approx(80 / 120)


def test_one_displaced_point_by_hand():
    # the rest fits exactly; one residue is 3 Å off: outside 1 and 2 Å, inside 4 and 8 Å
    model = TARGET.copy()
    model[60] += [0.0, 3.0, 0.0]
    found = superposition_scores(TARGET, model)
    assert found.gdt == pytest.approx((119 / 120, 119 / 120, 1, 1))
    one = 1 / (1 + (3 / tm_distance(120)) ** 2)
    assert found.tm_score == pytest.approx((119 + one) / 120, abs=1e-4)


def test_d0_by_hand():
    assert tm_distance(100) == pytest.approx(1.24 * 85 ** (1 / 3) - 1.8)
    assert tm_distance(15) == tm_distance(3) == tm_distance(17) == 0.5


def test_scores_fall_with_noise_and_are_ordered():
    noise = np.random.default_rng(0).normal(size=TARGET.shape)
    scores = [superposition_scores(TARGET, TARGET + s * noise) for s in (0, 0.3, 1, 2, 4, 8)]
    tm = [score.tm_score for score in scores]
    gdt = [score.gdt_ts for score in scores]
    assert tm == sorted(tm, reverse=True) and gdt == sorted(gdt, reverse=True)
    for score in scores:
        assert list(score.gdt) == sorted(score.gdt)
        assert 0 <= score.tm_score <= 1 and 0 <= score.gdt[0] and score.gdt[3] <= 1
    assert len(GDT_CUTOFFS) == len(scores[0].gdt)


def test_a_wider_search_is_no_worse():
    model = np.array(REFERENCE["models"]["unrelated walk"]["coords"])
    wide = SuperpositionConfig(starts=500, refined=64, rounds=30)
    assert tm_score(TARGET, model, config=wide) >= tm_score(TARGET, model) - 1e-3
    assert gdt_ts(TARGET, model, config=wide) >= gdt_ts(TARGET, model) - 1e-3


@pytest.mark.parametrize("points", [3, 4, 5, 9])
def test_short_chains(points):
    found = superposition_scores(TARGET[:points], moved(TARGET[:points]), length=120)
    assert found.tm_score == pytest.approx(points / 120)
    assert found.gdt_ts == pytest.approx(points / 120)


def test_too_few_points_score_nothing():
    for points in (0, 1, 2):
        found = superposition_scores(TARGET[:points], TARGET[:points], length=120)
        assert found.tm_score == 0.0 and found.gdt_ts == 0.0


def test_points_on_a_line_are_superposed():
    line = np.arange(30.0)[:, None] * [3.8, 0, 0]
    assert tm_score(line, moved(line)) == pytest.approx(1.0)
    assert gdt_ts(np.zeros((5, 3)), np.ones((5, 3))) == 1.0


def test_refuses_what_does_not_fit():
    with pytest.raises(StructureError, match="expected pairs"):
        tm_score(TARGET, TARGET[:-1])
    with pytest.raises(StructureError, match="at least as many residues"):
        tm_score(TARGET, TARGET, length=10)
    with pytest.raises(StructureError, match="not finite"):
        tm_score(TARGET, np.full_like(TARGET, np.nan))


def test_is_fast():
    model = np.array(REFERENCE["models"]["strong smooth deformation"]["coords"])
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        superposition_scores(TARGET, model)
        best = min(best, time.process_time() - start)
    assert best < 0.15  # about 0.01 s on an idle core
