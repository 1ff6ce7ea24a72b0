"""Symmetries of the network, and its checkpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from molgen.diffusion.model import SidegenModel, load_sidegen, save_sidegen
from molgen.diffusion.network import SidegenConfig
from molgen.diffusion.sampling import Denoiser, SamplingConfig, sample
from molgen.encoders.registry import TARGET_ENCODERS
from molgen.errors import StoreError
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions
from molgen.geometry.volumes import unit_bonds, volume_slopes
from molgen.graphs.pose_graph import LigandGraph

from .conftest import turned

SMALL = SidegenConfig(width=16, blocks=3, atoms=8, residues=3)


def model(config=SMALL):
    torch.manual_seed(1)
    made = SidegenModel(config, {"width": 16, "blocks": 1} if config.target else None).eval()
    for parameter in made.parameters():  # a fresh network hardly moves anything
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made.double()


def handed(ligand):
    """Return ligands that ask for a configuration where an atom has three neighbours."""
    bonded = (ligand.pair_kind >= 1) & (ligand.pair_kind <= 5)
    own = [
        [[k, *row.nonzero().flatten().tolist()] for k, row in enumerate(one) if row.sum() == 3]
        for one in bonded
    ]
    centres = torch.zeros(len(own), max(map(len, own)), 4, dtype=torch.int64)
    handedness = torch.zeros(centres.shape[:2])
    for k, rows in enumerate(own):
        centres[k, : len(rows)] = torch.tensor(rows)
        handedness[k, : len(rows)] = 1.0 - 2.0 * (torch.arange(len(rows)) % 2)
    return replace(ligand, centres=centres, handedness=handedness)


@pytest.fixture(scope="module")
def seen(batch):
    target, ligand, coords = batch
    ligand = handed(ligand)
    noise = torch.randn(coords.shape, generator=torch.Generator().manual_seed(2)).double()
    noisy = (coords + 2.0 * noise) * ligand.mask[:, None, :, None]
    return target, ligand, noisy, torch.full(coords.shape[:2], 2.0, dtype=torch.float64)


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
@pytest.mark.parametrize("encoder", sorted(TARGET_ENCODERS))
@torch.no_grad()
def test_rotating_everything_rotates_the_estimate(space, encoder, seen):
    target, ligand, noisy, sigma = seen
    network = model(replace(SMALL, encoder=encoder)).network
    turn = matrix_from_quaternion(random_quaternions(1, torch.Generator().manual_seed(5)))[0]
    plain = network(noisy, sigma, ligand, network.encode(target), space)[-1]
    other = network(noisy @ turn.T, sigma, ligand, network.encode(turned(target, turn)), space)[-1]
    assert (plain - noisy).abs().max() > 0.1
    torch.testing.assert_close(plain @ turn.T, other, atol=1e-9, rtol=0)


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
@pytest.mark.parametrize("fade", [0.0, 2.0])
def test_the_gradient_of_the_weights_is_the_slope_of_the_estimate(space, fade, seen):
    """Also through what the atoms hear of the target, which depends on where they were moved."""
    target, ligand, noisy, sigma = seen
    network = model(replace(SMALL, fade=fade)).network
    drawn = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(3)).double()

    def value():
        found = network(noisy, sigma, ligand, network.encode(target), space)[-1]
        return (found * drawn * ligand.mask[:, None, :, None]).sum()

    value().backward()
    for name, weight in network.named_parameters():
        if weight.grad is None or ("move" not in name and ".handed." not in name):
            continue
        way = torch.randn(weight.shape, generator=torch.Generator().manual_seed(4)).double()
        with torch.no_grad():
            weight += 1e-6 * way
            above = value()
            weight -= 2e-6 * way
            slope = (above - value()) / 2e-6
            weight += 1e-6 * way
        expected = (weight.grad * way).sum()
        assert slope.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5), name


@torch.no_grad()
def test_only_the_sense_for_chirality_tells_mirror_images_apart(seen):
    """All else that enters is the same in a mirror, so the estimate is the mirror image."""
    target, ligand, noisy, sigma = seen
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))

    def apart(config, mirrored):
        network = model(config).network
        plain = network(noisy, sigma, ligand, network.encode(target), "cartesian")[-1]
        other = network(
            noisy @ mirror, sigma, mirrored, network.encode(turned(target, mirror)), "cartesian"
        )[-1]
        return (plain @ mirror - other).abs().max().item()

    changed = replace(ligand, handedness=-ligand.handedness)
    assert apart(SMALL, ligand) > 0.01
    assert apart(SMALL, changed) < 1e-9
    assert apart(replace(SMALL, chirality=False), ligand) < 1e-9


def test_a_network_learns_the_configuration_that_it_is_asked_for():
    """Four different neighbours in noise that hides where they were."""
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    cage = 1.5 / 3**0.5 * corners.double()
    ligand = five_atoms(torch.tensor([1.0, -1.0]))
    clean = torch.stack([cage, cage * torch.tensor([1.0, 1.0, -1.0])])[:, None]
    clean = clean.expand(-1, 16, -1, -1)
    sigma = torch.full((2, 16), 2.0, dtype=torch.float64)

    def volumes(chirality):
        torch.manual_seed(0)
        config = SidegenConfig(width=16, blocks=3, target=False, chirality=chirality)
        network = SidegenModel(config).double().network
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        generator = torch.Generator().manual_seed(1)
        for _ in range(150):
            noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
            found = network(clean + 2.0 * noise, sigma, ligand, None, "cartesian")[-1]
            volume, _ = volume_slopes(unit_bonds(found, ligand.centres))
            loss = (volume - 0.77 * ligand.handedness[:, None]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (volume * ligand.handedness[:, None]).mean().item()

    assert volumes(True) > 0.4
    assert volumes(False) < 0.3


def five_atoms(handedness):
    """Return two molecules of a centre with four different neighbours."""
    bonds = torch.full((5, 5), 6)
    bonds[0] = bonds[:, 0] = 2
    bonds.fill_diagonal_(0)
    features = torch.zeros(5, 7, dtype=torch.int64)
    features[:, 0] = torch.tensor([6, 9, 17, 35, 53])
    both = {"features": features, "pair_kind": bonds, "rigid": torch.ones(5, 5, dtype=torch.bool),
            "mask": torch.ones(5, dtype=torch.bool), "quads": torch.zeros(0, 4, dtype=torch.int64),
            "moving": torch.zeros(0, 5, dtype=torch.bool)}  # fmt: skip
    graph = {name: torch.stack([value, value]) for name, value in both.items()}
    centres = torch.tensor([[[0, 1, 2, 3]]]).expand(2, -1, -1)
    return LigandGraph(**graph, centres=centres, handedness=handedness[:, None].double())


@torch.no_grad()
def test_a_complex_alone_gives_what_it_gives_in_a_batch(seen):
    target, ligand, noisy, sigma = seen
    network = model().network
    both = network(noisy, sigma, ligand, network.encode(target), "cartesian")[-1]
    small = int(ligand.mask.sum(1).argmin())
    atoms, nodes = ligand.mask[small], target.mask[small]
    torsions = ligand.moving[small].any(-1)
    centres = ligand.handedness[small] != 0
    alone_ligand = type(ligand)(
        features=ligand.features[small : small + 1, atoms],
        pair_kind=ligand.pair_kind[small : small + 1, atoms][:, :, atoms],
        rigid=ligand.rigid[small : small + 1, atoms][:, :, atoms],
        mask=ligand.mask[small : small + 1, atoms],
        quads=ligand.quads[small : small + 1, torsions],
        moving=ligand.moving[small : small + 1, torsions][:, :, atoms],
        centres=ligand.centres[small : small + 1, centres],
        handedness=ligand.handedness[small : small + 1, centres],
    )
    alone_target = type(target)(
        *(getattr(target, name)[small : small + 1, nodes]
          for name in ("coords", "features", "open_side", "mask", "frames"))
    )  # fmt: skip
    alone = network(
        noisy[small : small + 1, :, atoms], sigma[small : small + 1], alone_ligand,
        network.encode(alone_target), "cartesian",
    )[-1]  # fmt: skip
    torch.testing.assert_close(both[small : small + 1, :, atoms], alone, atol=1e-9, rtol=0)


@torch.no_grad()
def test_a_new_network_that_predicts_noise_sees_none_and_the_other_shrinks(seen):
    """A fresh network moves nothing: what comes out is what went into the blocks."""
    target, ligand, noisy, sigma = seen
    found = {}
    for predicts in ("clean", "noise"):
        made = SidegenModel(replace(SMALL, predicts=predicts), {"width": 16, "blocks": 1})
        network = made.double().eval().network
        found[predicts] = network(noisy, sigma, ligand, network.encode(target), "cartesian")[-1]
    torch.testing.assert_close(found["noise"], noisy, atol=0.1, rtol=0)
    # 1 / (1 + (2 / 3)²) of the distances to the centre
    middle = (noisy * ligand.mask[:, None, :, None]).sum(2) / ligand.mask.sum(1)[:, None, None]
    apart = (noisy[:, :, 0] - middle).norm(dim=-1)
    centre = (found["clean"] * ligand.mask[:, None, :, None]).sum(2)
    centre = centre / ligand.mask.sum(1)[:, None, None]
    shrunk = (found["clean"][:, :, 0] - centre).norm(dim=-1)
    torch.testing.assert_close(shrunk, apart / (1 + (2 / 3) ** 2), atol=0.1, rtol=0)


@pytest.mark.parametrize("level", [0, 1])
@torch.no_grad()
def test_the_estimate_is_smooth_where_an_atom_hears_another_node(level, seen):
    """The pose moves along a line until an atom exchanges its farthest neighbour."""
    target, ligand, noisy, sigma = seen
    network = model(replace(SMALL, blocks=1)).network
    encoded = network.encode(target)
    nodes, count = encoded[2 + level].coords[0], (SMALL.atoms, SMALL.residues)[level]
    way = torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64)

    def heard(t):
        atom = network._shrunk(noisy + t * way, sigma, ligand, "cartesian")[0, 0, 0]
        return set((nodes - atom).norm(dim=-1).argsort()[:count].tolist())

    low, high = 0.0, 1.0
    assert heard(low) != heard(high)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if heard(middle) == heard(0.0) else (low, middle)
    first, second = (
        network(noisy + t * way, sigma, ligand, encoded, "cartesian")[-1] for t in (low, high)
    )
    assert (first - second).abs().max() < 1e-6


@pytest.mark.parametrize("encoder", sorted(TARGET_ENCODERS))
def test_every_encoder_learns(encoder, seen):
    target, ligand, noisy, sigma = seen
    network = model(replace(SMALL, encoder=encoder)).network
    loss = network(noisy, sigma, ligand, network.encode(target), "cartesian")[-1].square().mean()
    loss.backward()
    slopes = {name: p.grad for name, p in network.encoder.named_parameters()}
    assert slopes and all(g is not None and g.isfinite().all() for g in slopes.values())
    assert all(slope.abs().max() > 0 for name, slope in slopes.items() if "embeddings" not in name)


@torch.no_grad()
def test_the_target_matters_unless_it_is_switched_off(seen):
    target, ligand, noisy, sigma = seen
    moved = replace(target, coords=target.coords + 1.0)
    network = model().network
    first, second = (
        network(noisy, sigma, ligand, network.encode(t), "cartesian")[-1] for t in (target, moved)
    )
    assert (first - second).abs().max() > 1e-3
    assert model(replace(SMALL, target=False)).network.encode(target) is None


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
def test_sampling_repeats_with_the_seed(space, batch):
    target, ligand, coords = batch
    made, settings = model(), SamplingConfig(space, steps=3, eta=0.0)
    encoded = made.network.encode(target)

    def run(seed):
        return sample(made, coords, ligand, encoded, settings, torch.Generator().manual_seed(seed))

    assert torch.equal(run(0), run(0))
    assert (run(0) - run(1)).abs().max() > 0.1
    assert not run(0)[:, :, ~ligand.mask.all(0)][0].isnan().any()


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
@pytest.mark.parametrize("name", ["eta", "temperature"])
def test_without_fresh_noise_the_start_decides(space, name, batch):
    target, ligand, coords = batch
    made = model()
    encoded = made.network.encode(target)

    def ends(value):
        settings = SamplingConfig(space, steps=3, **{name: value})
        walk = Denoiser(made, ligand, encoded, settings)
        noisy = walk.start(coords, torch.Generator().manual_seed(0))
        return [walk.run(noisy, torch.Generator().manual_seed(seed)) for seed in (1, 2)]

    assert torch.equal(*ends(0.0))
    assert not torch.equal(*ends(1.0))


@torch.no_grad()
def test_the_shipped_network_says_what_it_said(batch):
    target, ligand, coords = batch
    network = load_sidegen("sidegen-3").network.double()
    clean = coords[:, :1]
    wave = torch.sin(torch.arange(clean.numel(), dtype=torch.float64)).reshape(clean.shape)
    noisy = (clean + 2.0 * wave) * ligand.mask[:, None, :, None]
    encoded, moved = network.encode(target), []
    for level, space in ((0.5, "cartesian"), (4.0, "rigid-torsion")):
        sigma = torch.full(noisy.shape[:2], level, dtype=torch.float64)
        found = network(noisy, sigma, ligand, encoded, space)[-1]
        moved.append(float((found - noisy)[ligand.mask[:, None]].norm(dim=-1).mean()))
    assert moved == pytest.approx([2.328748, 3.674112], rel=1e-3)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    made = model().float()
    save_sidegen(tmp_path / "one", made)
    back = load_sidegen(str(tmp_path / "one"))
    assert back.config() == made.config()
    for name, value in made.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path):
    save_sidegen(tmp_path / "one", model().float())
    weights = tmp_path / "one" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="damaged"):
        load_sidegen(str(tmp_path / "one"))
    with pytest.raises(StoreError, match="expected 'sidegen'"):
        load_sidegen("contacts-1")
