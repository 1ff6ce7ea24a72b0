"""What every encoder of `TARGET_ENCODERS` has to obey."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from molgen.encoders.registry import TARGET_ENCODERS, build_target_encoder
from molgen.errors import ConfigError, RegistryError
from molgen.geometry.frames import backbone_frames
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions
from molgen.graphs.pose_graph import FAR, TARGET_FEATURES, TargetGraph

CHIRAL = {"spherical"}
"""Encoders that tell a target from its mirror image: they use right-handed frames."""
MIRROR = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))


@pytest.fixture(params=sorted(TARGET_ENCODERS))
def name(request):
    return request.param


@pytest.fixture
def encoder(name):
    torch.manual_seed(3)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield build_target_encoder(name).eval()
    torch.set_default_dtype(previous)


def made(nodes=30, residues=4, padding=0, seed=1, move=None):
    """Return a graph with random nodes; ``move`` is a matrix that all of it is moved with."""
    generator = torch.Generator().manual_seed(seed)
    coords = 4.0 * torch.randn(1, nodes, 3, generator=generator, dtype=torch.float64)
    features = torch.stack(
        [torch.randint(size, (1, nodes), generator=generator) for size in TARGET_FEATURES.values()],
        dim=-1,
    )
    features[..., 3] = 0
    features[:, -residues:, 3] = 1
    side = torch.randn(1, nodes, 3, generator=generator, dtype=torch.float64)
    side = torch.nn.functional.normalize(side, dim=-1)
    backbone = torch.randn(nodes, 3, 3, generator=generator, dtype=torch.float64)
    if move is not None:
        coords, side, backbone = coords @ move.T, side @ move.T, backbone @ move.T
    frames = backbone_frames(backbone)[None]
    frames[:, ::5] = 0.0  # metals and cofactors have none
    mask = torch.ones(1, nodes, dtype=torch.bool)
    graph = TargetGraph(coords, features, side, mask, frames)
    return padded(graph, padding) if padding else graph


def padded(graph, count):
    fills = {"coords": FAR}

    def grow(name, values):
        shape = (1, count, *values.shape[2:])
        fill = torch.full(shape, fills.get(name, 0), dtype=values.dtype)
        return torch.cat([values, fill], dim=1)

    return over(graph, grow)


def over(graph, change):
    """Return the graph with ``change(name, values)`` in the place of every field."""
    return TargetGraph(**{f.name: change(f.name, getattr(graph, f.name)) for f in fields(graph)})


def turn():
    return matrix_from_quaternion(random_quaternions(1, torch.Generator().manual_seed(5)))[0]


def divided(encoder, found):
    """Return scalars (1, nodes, features) and vectors (1, nodes, vectors, 3)."""
    scalars, vectors = found[..., : encoder.width_out], found[..., encoder.width_out :]
    return scalars, vectors.reshape(*found.shape[:2], encoder.vectors_out, 3)


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_says_what_it_returns(encoder):
    found = encoder(made())
    assert found.shape == (1, 30, encoder.width_out + 3 * encoder.vectors_out)
    assert found.dtype == torch.float64
    vectors = f"+{encoder.vectors_out}x1o" if encoder.vectors_out else ""
    assert encoder.irreps_out == f"{encoder.width_out}x0e{vectors}"


def test_has_the_options_that_a_smoke_run_cuts_down(name):
    assert build_target_encoder(name, {"width": 16, "blocks": 1}).width_out == 16
    with pytest.raises(ConfigError, match=f"target encoder {name}.widht: unknown key.*'width'"):
        build_target_encoder(name, {"widht": 16})


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(RegistryError, match="'tensorfield' .did you mean 'tensor_field'"):
        build_target_encoder("tensorfield")


@torch.no_grad()
def test_is_alive(encoder):
    first, second = encoder(made(seed=1)), encoder(made(seed=2))
    assert found_range(first) > 1e-2
    assert (first - second).abs().max() > 1e-2
    graph = made()
    moves = 0.3 * torch.randn(
        graph.coords.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    other = encoder(replace(graph, coords=graph.coords + moves))
    for one, two in zip(divided(encoder, first), divided(encoder, other), strict=True):
        assert not one.numel() or (one - two).abs().max() > 1e-4
        assert not one.numel() or one.std(1).min() > 1e-4, "a feature that is the same everywhere"


def test_every_weight_has_a_gradient(encoder):
    found = encoder(made())
    found.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def found_range(values):
    return float(values.max() - values.min())


@torch.no_grad()
def test_rotation_and_translation_turn_vectors_and_nothing_else(encoder):
    graph = made(move=turn())
    moved = replace(graph, coords=graph.coords + torch.tensor([3.0, -2.0, 7.0]))
    scalars, vectors = divided(encoder, encoder(made()))
    turned, vectors_turned = divided(encoder, encoder(moved))
    assert_same(turned, scalars)
    assert_same(vectors_turned, vectors @ turn().T)


@torch.no_grad()
def test_a_mirror_image_is_told_only_by_chiral_encoders(encoder, name):
    scalars, vectors = divided(encoder, encoder(made()))
    mirrored, vectors_mirrored = divided(encoder, encoder(made(move=MIRROR)))
    if name in CHIRAL:
        assert (mirrored - scalars).abs().max() > 1e-3
        return
    assert_same(mirrored, scalars)
    assert_same(vectors_mirrored, vectors @ MIRROR.T)


@torch.no_grad()
def test_order_of_nodes_does_not_matter(encoder):
    graph = made()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = over(graph, lambda _, values: values[:, order])
    assert_same(encoder(shuffled), encoder(graph)[:, order])


@torch.no_grad()
def test_a_batch_gives_what_its_members_give_and_padding_is_zero(encoder):
    small, large = made(), made(nodes=37, residues=6, seed=2)
    longer = padded(small, 7)
    both = over(small, lambda name, _: torch.cat([getattr(longer, name), getattr(large, name)]))
    found = encoder(both)
    assert_same(found[:1, :30], encoder(small))
    assert_same(found[1:], encoder(large))
    assert not found[0, 30:].any()


@torch.no_grad()
@pytest.mark.parametrize(("neighbour", "cutoff"), [(0, "atom_cutoff"), (-1, "residue_cutoff")])
def test_is_smooth_where_a_neighbour_leaves(encoder, neighbour, cutoff):
    graph = made(nodes=8, residues=2)

    def seen(distance):
        coords = graph.coords.clone()
        coords[0, neighbour] = coords[0, 1] + torch.tensor([distance, 0.0, 0.0])
        return encoder(replace(graph, coords=coords))[0, 1]

    reach = getattr(encoder.config, cutoff)
    inside, outside = seen(reach - 1e-6), seen(reach + 1e-6)
    # a neighbour that is heard in full up to the cutoff changes more than a thousand times as much
    assert (inside - outside).abs().max() < 1e-7 * found_range(inside)
    assert (seen(0.5 * reach) - outside).abs().max() > 1e-4 * found_range(inside)


@torch.no_grad()
def test_is_smooth_where_one_neighbour_takes_the_place_of_another(encoder):
    graph = made(nodes=80, residues=10)
    graph = replace(graph, coords=0.6 * graph.coords)
    for level, count in ((0, encoder.config.atoms), (1, encoder.config.residues)):
        nodes = torch.nonzero(graph.features[0, :, 3] == level).squeeze(1)
        offset = graph.coords[0, nodes] - graph.coords[0, 1]
        order = offset.norm(dim=-1).argsort()
        heard, waiting = order[count - 1], order[count]
        seen = []
        for change in (-1e-6, 1e-6):  # before and after the one that waits is the nearer one
            coords = graph.coords.clone()
            length = offset[heard].norm() + change
            unit = offset[waiting] / offset[waiting].norm()
            coords[0, nodes[waiting]] = coords[0, 1] + length * unit
            seen.append(encoder(replace(graph, coords=coords))[0, 1])
        assert (seen[0] - seen[1]).abs().max() < 1e-4 * found_range(seen[0])


@torch.no_grad()
def test_a_copy_and_a_reloaded_state_give_the_same(encoder, name):
    import copy

    graph = made()
    assert_same(copy.deepcopy(encoder)(graph), encoder(graph))
    torch.manual_seed(4)
    other = build_target_encoder(name).eval()
    other.load_state_dict(encoder.state_dict(), strict=True)
    assert_same(other(graph), encoder(graph))
