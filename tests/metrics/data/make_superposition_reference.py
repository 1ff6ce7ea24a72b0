"""Write superposition_reference.json: TM-score and GDT by Zhang's program TMscore.

Run with TMscore 2019/08/22 (Debian package ``tm-align``) on the path:

    python make_superposition_reference.py

The reference is Cα 1-120 of PDB entry 7N03; the models are deformed copies of it.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from molgen.io.structure_file import read_protein

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "data" / "examples" / "7n03.cif.gz"


def models(target: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    hinge, walk = target.copy(), rng.normal(size=(4, *target.shape)).cumsum(axis=1)
    turn = Rotation.from_rotvec([0.0, 0.9, 0.3])
    hinge[70:] = turn.apply(hinge[70:] - hinge[70]) + hinge[70]
    register = target.copy()
    register[40:80] = target[43:83]
    return {
        "noise of 0.5 Å": target + rng.normal(0, 0.5, target.shape),
        "noise of 3 Å": target + rng.normal(0, 3.0, target.shape),
        "hinge at 70": hinge + rng.normal(0, 0.2, target.shape),
        "register shift of 3 in 40-80": register,
        "smooth deformation": target + 0.2 * walk[0],
        "strong smooth deformation": target + 0.7 * walk[1],
        "unrelated walk": 2.0 * walk[2],
    }


def write(path: Path, points: np.ndarray) -> None:
    line = "ATOM  {0:5d}  CA  ALA A{0:4d}    {1:8.3f}{2:8.3f}{3:8.3f}\n"
    path.write_text("".join(line.format(at, *xyz) for at, xyz in enumerate(points, 1)))


def measure(target: np.ndarray, model: np.ndarray, place: Path) -> dict[str, float | list[float]]:
    write(place / "target.pdb", target)
    write(place / "model.pdb", model)
    command = ["TMscore", str(place / "model.pdb"), str(place / "target.pdb")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = re.search(r"GDT-TS-score=.*" + r"\(d<\d\)=([\d.]+).*?" * 4, text)
    tm = re.search(r"TM-score    = ([\d.]+)", text)
    assert tm and shares
    return {"tm_score": float(tm[1]), "gdt": [float(share) for share in shares.groups()]}


def main() -> None:
    protein = read_protein(EXAMPLE)
    ca = protein.select((protein.atom_names == "CA") & ~protein.hetero)
    target = ca.coords[:120].astype(np.float64).round(3)
    content = {"source": "TMscore 2019/08/22", "target": target.tolist(), "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models(target).items():
            model = (model - model.mean(axis=0)).round(2)
            measured = measure(target, model, Path(folder))
            content["models"][name] = {**measured, "coords": model.tolist()}
    text = json.dumps(content, ensure_ascii=False).replace(']], "', ']],\n"').replace("}, ", "},\n")
    (HERE / "superposition_reference.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
