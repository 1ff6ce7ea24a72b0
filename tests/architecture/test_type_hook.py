"""The hook that checks annotations in tests does check them, and leaves numba alone."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from molgen.structure import Pocket

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def conftest():
    spec = importlib.util.spec_from_file_location("molgen_conftest", ROOT / "tests/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_wrong_type_is_refused():
    from molgen import errors

    with pytest.raises(Exception, match=r"(?i)type"):
        errors.suggest(3, ["a"])  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"(?i)type"):
        Pocket(center=np.zeros(3), edges=np.ones(3), source=3)  # type: ignore[arg-type]


def test_numba_modules_and_type_checking_modules_are_left_out(conftest, tmp_path):
    package = tmp_path / "thing"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "plain.py").write_text("import numpy as np\n")
    (package / "sub" / "fast.py").write_text("from __future__ import annotations\nimport numba\n")
    (package / "sub" / "late.py").write_text("def f():\n    from numba import njit\n")
    (package / "hints.py").write_text("if TYPE_CHECKING:\n    from a import b\n")
    assert conftest.checked_modules(package) == ["thing.plain"]


def test_most_modules_are_checked(conftest):
    modules = [p for p in (ROOT / "molgen").rglob("*.py") if p.name != "__init__.py"]
    checked = conftest.checked_modules(ROOT / "molgen")
    assert len(checked) >= 0.6 * len(modules)
    assert all(re.fullmatch(r"molgen(\.\w+)+", name) for name in checked)
