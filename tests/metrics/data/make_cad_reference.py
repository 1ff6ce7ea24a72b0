"""Write cad_reference.json: local CAD-scores by voronota's ``compare-contacts``.

Run with voronota 1.22.3149 (Debian package ``voronota``, MIT) on the path:

    python make_cad_reference.py

The contacts are drawn at random: two chains of 24 and 16 residues, a model that lacks residues.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

CHAINS = "A" * 24 + "B" * 16
HERE = Path(__file__).parent


def label(residue: int) -> str:
    return f"c<{CHAINS[residue]}>r<{residue + 1}>R<ALA>A<CA>"


def write(path: Path, contacts: dict[tuple[int, int], float]) -> None:
    lines = [f"{label(a)} {label(b)} {area}" for (a, b), area in contacts.items()]
    path.write_text("\n".join(lines) + "\n")


def scores(target: Path, model: Path, depth: int, window: int, place: Path) -> list[float | None]:
    command = [
        *("voronota", "compare-contacts", "--residue-level-only", "--depth", str(depth)),
        *("--target-contacts-file", str(target), "--smoothing-window", str(window)),
        *("--residue-scores-file", str(place / "raw"), "--smoothed-scores-file", str(place / "s")),
    ]
    done = subprocess.run(command, input=model.read_text(), capture_output=True, text=True)
    values: list[float | None] = [None] * len(CHAINS)
    for line in (place / "s").read_text().splitlines():
        name, value = line.split()[0], float(line.split()[-1])
        values[int(name.split("r<")[1].split(">")[0]) - 1] = value
    return [float(done.stdout.split("residue_level_global")[1].split()[0]), *values]


def main() -> None:
    rng = np.random.default_rng(5)
    target, model = {}, {}
    for a in range(len(CHAINS)):
        for b in range(a + 1, len(CHAINS)):
            near = (b - a < 5 and rng.random() < 0.6) or rng.random() < 0.04
            if near and a != 20:
                target[a, b] = round(float(rng.uniform(0.5, 40)), 3)
            if rng.random() < (0.75 if near else 0.02) and not {a, b} & {7, 8, 33}:
                base = target.get((a, b), 10.0)
                model[a, b] = round(float(base * rng.uniform(0.2, 1.9)), 3)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write(place / "target", target)
        write(place / "model", model)
        found = {
            f"depth {depth}, window {window}": scores(
                place / "target", place / "model", depth, window, place
            )
            for depth, window in ((0, 0), (1, 0), (1, 2), (2, 3))
        }
    content = {
        "source": "voronota 1.22.3149 compare-contacts; first value global, then per residue",
        "chains": CHAINS,
        "target": [[a, b, area] for (a, b), area in target.items()],
        "model": [[a, b, area] for (a, b), area in model.items()],
        "scores": found,
    }
    text = json.dumps(content).replace('], "', '],\n"')
    (HERE / "cad_reference.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
