"""A ligand as arrays of codes."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.graphs.ligand_arrays import BOND_TYPES, HYBRIDIZATIONS, ligand_arrays


def test_codes_of_a_small_molecule():
    arrays = ligand_arrays(Chem.MolFromSmiles("C[N+](C)(C)CC#C"))
    assert arrays.ligand_elements.tolist() == [6, 7, 6, 6, 6, 6, 6]
    assert arrays.ligand_charges.tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert arrays.ligand_hydrogens.tolist() == [3, 0, 3, 3, 2, 0, 1]
    assert HYBRIDIZATIONS[arrays.ligand_hybridizations[5]] == "SP"
    assert arrays.bond_atoms.tolist() == [[0, 1], [1, 2], [1, 3], [1, 4], [4, 5], [5, 6]]
    assert BOND_TYPES[arrays.bond_types[-1]] == "TRIPLE"
    assert not arrays.bond_rings.any() and not arrays.ligand_rings.any()


@pytest.mark.parametrize(("atoms", "dtype"), [(256, np.uint8), (257, np.int64), (400, np.int64)])
def test_indices_are_narrow_as_in_stores_where_they_fit(atoms, dtype):
    arrays = ligand_arrays(Chem.MolFromSmiles("C" * atoms))
    assert arrays.bond_atoms.dtype == dtype
    assert arrays.bond_atoms[-1].tolist() == [atoms - 2, atoms - 1]
    assert arrays.ligand_elements.dtype == np.uint8
