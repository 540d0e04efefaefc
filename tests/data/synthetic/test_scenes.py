"""Scenes are the same in every process, and boxes, areas and masks agree."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from builders.colored_images import same

from polyhead.data.doctor import check
from polyhead.data.synthetic.scenes import DOMAINS, MIN_VISIBLE, Scenes
from polyhead.data.synthetic.shapes import SIGNS, SKIES
from polyhead.errors import PolyheadError
from polyhead.types import Boxes

domains = pytest.mark.parametrize("domain", [*DOMAINS])


@domains
def test_masks_boxes_and_areas_agree(domain: str) -> None:
    mixed = "shapes" if domain == "signs" else None
    scenes, masks = Scenes(60, domain, size=96, mixed=mixed), Scenes(60, domain, size=96, mixed=mixed, target="masks")
    for index in range(60):
        scene = scenes.scene(index)
        assert scene.image.shape == (96, 96, 3)
        assert scene.image.dtype == np.uint8
        assert scene.owner.max() <= len(scene.objects)
        for number, item in enumerate(scene.objects, 1):
            rows, columns = np.nonzero(scene.owner == number)
            assert item.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert item.area == len(rows)
        mask = masks.target(index).classes  # type: ignore[union-attr]  # it is a mask
        for item in scene.objects:
            left, top, right, bottom = map(int, item.box)
            inside = mask[top:bottom, left:right]
            assert (inside == (255 if item.ignore else 1 + item.label)).any()


@domains
def test_scenes_are_a_function_of_seed_domain_and_index(domain: str) -> None:
    scenes = Scenes(6, domain, seed=3)
    again = pickle.loads(pickle.dumps(scenes))
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(again.__getitem__, range(6)))
    for index, other in enumerate(threaded):
        sample = scenes[index]
        assert same(sample, other)
        assert same(sample.target, scenes.target(index))
        assert torch.equal(sample.input, scenes.raw(index))
    assert torch.equal(Scenes(1, domain, seed=3)[0].input, scenes[0].input)
    assert not torch.equal(Scenes(1, domain, seed=4)[0].input, scenes[0].input)
    assert not torch.equal(scenes[1].input, scenes[0].input)


def test_the_global_generator_is_not_used() -> None:
    state = torch.random.get_rng_state()
    assert len(Scenes(1)[0].input) == 3
    assert torch.equal(state, torch.random.get_rng_state())


@domains
def test_domains_have_their_own_classes_and_every_class_occurs(domain: str) -> None:
    scenes = Scenes(80, domain, size=64)
    targets = [each for each in map(scenes.target, range(80)) if isinstance(each, Boxes)]
    labels = torch.cat([target.labels for target in targets])
    assert sorted(set(labels.tolist())) == list(range(len(scenes.names)))
    assert set.union(*map(scenes.also_shows, range(80))) == {("value", time) for time in range(len(SKIES))}
    assert any(target.boxes.shape[0] == 0 for target in targets)
    assert len({scenes.entry(index).id for index in range(80)}) == 80
    assert [target.annotated.shape for target in targets] == [(len(scenes.names),)] * 80
    assert len({each.name for types in DOMAINS.values() for each in types}) == sum(map(len, DOMAINS.values()))


def test_occluded_objects_are_ignored() -> None:
    scenes = Scenes(100, "signs", size=48)
    objects = [item for index in range(100) for item in scenes.scene(index).objects]
    ignored = [item for item in objects if item.ignore]
    assert 0.002 < len(ignored) / len(objects) < 0.05
    assert 0 < MIN_VISIBLE < 1
    for item in objects:
        left, top, right, bottom = item.box
        assert 0 <= left < right <= 48
        assert 0 <= top < bottom <= 48


def test_a_rare_class_is_drawn_a_twentieth_as_often_and_nothing_else_changes_where_it_is_absent() -> None:
    plain, rare = Scenes(200, "signs", size=32), Scenes(200, "signs", size=32, rare="stop")
    counts = [torch.zeros(len(plain.names)), torch.zeros(len(plain.names))]
    for index in range(200):
        for scenes, count in zip((plain, rare), counts, strict=True):
            for each in scenes.scene(index).objects:
                count[each.label] += 1
    stop = plain.names.index("stop")
    others = [label for label in range(len(plain.names)) if label != stop]
    assert 0.01 < float(counts[1][stop] / counts[1][others].mean()) < 0.12
    assert float(counts[0][stop] / counts[0][others].mean()) > 0.7
    assert plain.digest != rare.digest


def test_mixed_draws_both_domains_and_annotates_one() -> None:
    plain, mixed = Scenes(20, "signs"), Scenes(20, "signs", mixed="shapes")
    assert mixed.names == plain.names == [each.name for each in SIGNS]
    assert any(not torch.equal(plain[index].input, mixed[index].input) for index in range(20))


def test_scenes_pass_the_doctor() -> None:
    assert check(Scenes(8, "signs", size=64)) == []


def test_invalid_arguments_raise() -> None:
    with pytest.raises(PolyheadError, match="unknown domain 'shape'; did you mean 'shapes'"):
        Scenes(1, "shape")
    with pytest.raises(PolyheadError, match="unknown domain 'fruits'; did you mean 'fruit'"):
        Scenes(1, mixed="fruits")
    with pytest.raises(PolyheadError, match="mixed='signs': expected a domain other than 'signs' itself"):
        Scenes(1, "signs", mixed="signs")
    with pytest.raises(PolyheadError, match="rare='stopp': 'signs' has no such class; did you mean 'stop'"):
        Scenes(1, "signs", rare="stopp")
    with pytest.raises(PolyheadError, match="size >= 32, got count 1 and size 8"):
        Scenes(1, size=8)
    with pytest.raises(IndexError):
        Scenes(2).scene(2)
