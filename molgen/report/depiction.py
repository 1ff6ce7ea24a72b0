"""2D drawings of ligands as inline SVG."""

from __future__ import annotations

import re

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

# RDKit's pure colours vanish on one ground or the other; these read on both
_COLOURS = {
    "#000000": "currentColor",
    "#0000FF": "#4478e8",
    "#4284F4": "#4478e8",
    "#FF0000": "#dd4433",
    "#CCCC00": "#b08d00",
    "#FF7F00": "#d97b1e",
    "#00CC00": "#2f9e44",
    "#33CCCC": "#1f9c9c",
}


def depict(mol: Chem.Mol, width: int = 320, height: int = 220) -> str:
    """Return an SVG element with a transparent ground; "" when RDKit cannot draw the molecule.

    Colours come from the page (``currentColor`` for carbon), so it reads on light and on dark.
    """
    try:
        flat = Chem.RemoveHs(Chem.Mol(mol))
        flat.RemoveAllConformers()
        with rdDepictor.UsingCoordGen(True):
            rdDepictor.Compute2DCoords(flat)
        drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
        options = drawer.drawOptions()
        options.clearBackground = False
        options.bondLineWidth = 1.6
        options.fixedBondLength = 26
        options.minFontSize = 10
        options.maxFontSize = 15
        options.padding = 0.04
        rdMolDraw2D.PrepareAndDrawMolecule(drawer, flat)
        drawer.FinishDrawing()
        svg = drawer.GetDrawingText()
    except Exception:  # a drawing is decoration; whatever RDKit dislikes must not stop a report
        return ""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s(?:xmlns:\w+|xml:space)='[^']*'", "", svg)
    svg = re.sub(r"\sclass='[^']*'", "", svg)
    svg = re.sub(r"(\d+\.\d)\d+", r"\1", svg)
    for pure, readable in _COLOURS.items():
        svg = svg.replace(pure, readable)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    return re.sub(
        r"<svg[^>]*>",
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='2D structure'>",
        svg,
        count=1,
    )
