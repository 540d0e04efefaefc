"""Images are decoded, put into batches, stored without loss, and prepared from a stored state."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.colored_images import same
from builders.fitted_images import image_modality
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.augment.transforms import PRESETS
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.io.images import ImageFile
from polyhead.errors import InvalidFileError, PolyheadError
from polyhead.modalities import modality_of
from polyhead.modalities.image import Image
from polyhead.types import Sample


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """Return random pixels, uint8 ``[3, h, w]``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def write(path: Path, pixels: Tensor, **settings: Any) -> Path:
    Pillow.fromarray(pixels.permute(1, 2, 0).numpy()).save(path, **settings)
    return path


def sample(modality: Image, pixels: Tensor) -> Sample:
    """Return a decoded sample without a target."""
    decoded = modality.decode(pixels)
    return Sample(decoded, None, modality.meta("a", decoded))


def test_files_and_pixels_are_decoded_to_the_same_image(tmp_path: Path) -> None:
    modality, pixels = Image(), noise(20, 30)
    path = write(tmp_path / "a.png", pixels)
    for raw in (pixels, tv.Image(pixels), ImageFile(str(path)), ImageFile(str(path), (20, 30))):
        decoded = modality.decode(raw)
        assert isinstance(decoded, tv.Image)
        assert decoded.dtype == torch.uint8
        assert torch.equal(decoded, pixels)
        meta = modality.meta("a", decoded)
        assert (meta.id, meta.size) == ("a", (20, 30))
        assert list(meta.extent) == [30, 20]


def test_files_are_decoded_upright_and_have_the_expected_size(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    path = str(write(tmp_path / "a.png", noise(20, 30), exif=exif))
    assert Image().decode(ImageFile(path, (30, 20))).shape == (3, 30, 20)
    with pytest.raises(InvalidFileError, match=r"a\.png: expected 30 x 20 pixels as in its annotation, got 20 x 30"):
        Image().decode(ImageFile(path, (20, 30)))
    with pytest.raises(InvalidFileError, match="the file does not exist"):
        Image().decode(ImageFile(str(tmp_path / "none.png")))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_a_batch_has_every_pixel_and_its_channels_last_in_memory(count: int, height: int, width: int) -> None:
    images = [noise(height, width, seed) for seed in range(count)]
    for given_images in (images, [tv.Image(each) for each in images]):
        batch = Image().collate(given_images)
        assert not isinstance(batch, tv.TVTensor)
        assert batch.dtype == torch.uint8
        assert torch.equal(batch, torch.stack(images))
        assert batch.permute(0, 2, 3, 1).is_contiguous()


def test_images_have_the_bytes_of_their_pixels_and_are_not_read_for_their_length() -> None:
    modality, inputs = Image(), iter([noise(9, 9)])
    assert modality.lengths(inputs) is None
    assert len(list(inputs)) == 1
    assert modality.cached_bytes(modality.decode(noise(20, 30))) == 20 * 30 * 3


def test_files_are_stored_unchanged(tmp_path: Path) -> None:
    modality, folder = Image(), tmp_path / "stored"
    folder.mkdir()
    for name, size in (("a.JPG", (20, 30)), ("b.png", None)):
        path = write(tmp_path / name, noise(20, 30))
        entry = json.loads(json.dumps(modality.save(ImageFile(str(path), size), folder, Path(name).stem)))
        assert entry["files"] == [name.lower()]
        assert (folder / name.lower()).read_bytes() == path.read_bytes()
        loaded = modality.load(entry, folder)
        assert loaded == ImageFile(str(folder / name.lower()), size)
        assert torch.equal(modality.decode(loaded), modality.decode(ImageFile(str(path))))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_pixels_are_stored_without_loss(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, seed: int
) -> None:
    modality, folder, pixels = Image(), tmp_path_factory.mktemp("stored"), noise(height, width, seed)
    layouts = [pixels, tv.Image(pixels), pixels.permute(1, 2, 0).contiguous().permute(2, 0, 1)]
    for number, raw in enumerate(layouts):
        entry = json.loads(json.dumps(modality.save(raw, folder, f"{number:05d}")))
        assert [path.name for path in folder.glob(f"{number:05d}*")] == entry["files"]
        loaded = modality.load(entry, folder)
        assert loaded.size == (height, width)
        assert torch.equal(modality.decode(loaded), pixels)


def test_an_image_is_drawn_as_it_is() -> None:
    pixels = noise(5, 7)
    drawn = Image().draw(Image().decode(pixels))
    assert (np.asarray(drawn) == pixels.permute(1, 2, 0).numpy()).all()


def test_a_model_without_an_image_size_raises() -> None:
    with pytest.raises(
        PolyheadError, match=r"has no image size, which a task of images needs\. Use a model for images"
    ):
        Image().fit([], None, "plain")


def test_unknown_transforms_raise() -> None:
    with pytest.raises(PolyheadError, match="unknown transforms 'sdd'; did you mean 'ssd'"):
        image_modality(transforms="sdd")


def test_a_backbone_knows_the_size() -> None:
    spec = image_modality((24, 40)).spec()
    assert (spec.key, spec.size) == ("image", (24, 40))


@pytest.mark.parametrize("transforms", [*PRESETS, Yolov4(mosaic=0.5)])
def test_a_restored_state_gives_the_same_evaluation(transforms: Any) -> None:
    fitted = image_modality((24, 40), transforms)
    state = json.loads(json.dumps(fitted.state()))
    restored = modality_of("image")
    assert isinstance(restored, Image)
    restored.restore(state)
    assert restored.state() == fitted.state()
    assert restored.spec() == fitted.spec()
    for seed, (height, width) in enumerate([(30, 90), (24, 40), (70, 20)]):
        image = sample(fitted, noise(height, width, seed))
        assert same(restored.eval(image), fitted.eval(image))
    assert not hasattr(restored, "train"), "a weights file does not train"


def test_the_state_has_the_size_and_the_fit() -> None:
    assert image_modality((24, 40), "plain").state() == {"size": [24, 40], "fit": "stretch"}
    assert image_modality((24, 40), "yolov4").state() == {"size": [24, 40], "fit": "letterbox"}


def test_evaluation_does_not_depend_on_the_training_data() -> None:
    """Fitting reads no input, so scores on val never depend on what was trained on."""
    one, other = Image(), image_modality()
    inputs = iter([noise(9, 9)])
    one.fit(inputs, (32, 32), "plain")
    assert len(list(inputs)) == 1, "the training data was read"
    other.fit([noise(9, 9, seed) for seed in range(3)], (32, 32), "plain")
    image = sample(one, noise(50, 40))
    assert one.state() == other.state()
    assert same(one.eval(image), other.eval(image))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_evaluation_does_not_depend_on_what_was_done_before(preset: str) -> None:
    """Neither on other samples, nor on their order, nor on random numbers, nor on the training transform."""
    modality = image_modality((24, 40), preset)
    images = [sample(modality, noise(20 + 9 * seed, 50 - 8 * seed, seed)) for seed in range(4)]
    first = [modality.eval(each) for each in images]
    torch.manual_seed(1)
    for each in images:
        modality.train(each)
    state = torch.random.get_rng_state()
    again = [modality.eval(each) for each in reversed(images)][::-1]
    assert same(tuple(again), tuple(first))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same(deepcopy(modality).eval(images[2]), first[2])
