"""What a data card says of images, personal metadata above all."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from polyhead.data.io.images import ImageFile
from polyhead.modalities.image.card import card_facts


def photo(path: Path, gray: int, size: tuple[int, int] = (40, 20), **entries: str) -> ImageFile:
    """Write a photo with EXIF entries; ``gps`` is a position."""
    exif = Image.Exif()
    for tag, name in ((0x010F, "make"), (0x0110, "model"), (0x0132, "taken"), (0x013B, "artist")):
        if name in entries:
            exif[tag] = entries[name]
    if "gps" in entries:
        exif.get_ifd(0x8825)[1] = entries["gps"]
    Image.new("RGB", size, (gray, gray, gray)).save(path, exif=exif)
    return ImageFile(str(path))


def test_metadata_about_people_is_counted_but_never_shown(tmp_path: Path) -> None:
    raws = [
        photo(tmp_path / "a.jpg", 50, make="Kodak", model="X1", artist="Ann Secret", gps="N"),
        photo(tmp_path / "b.jpg", 150, make="Kodak", model="X1", taken="2019:03:01 10:00:00"),
        photo(tmp_path / "c.jpg", 250),
    ]
    facts = card_facts(raws, tmp_path / "plot.png")
    assert [line.split(" image")[0] for line in facts.privacy] == ["1 of 3", "1 of 3"]
    assert "GPS position" in facts.privacy[0]
    assert "Secret" not in str(facts)
    assert "2 of 3 images state their camera (1 model); the most frequent one took 100%" in facts.biases
    assert ("year of the photo", "2019 (1 of 3 state it)") in facts.rows


def test_sizes_and_brightness_are_those_of_the_pixels(tmp_path: Path) -> None:
    raws = [photo(tmp_path / f"{gray}.png", gray, (20 + gray, 30)) for gray in (51, 102, 153)]
    facts = dict(card_facts(raws, tmp_path / "plot.png").rows)
    assert facts["width and height"] == "71 to 173 and 30 pixels"
    assert facts["brightness (0 to 1)"].startswith("mean 0.40, 90% of the images 0.22 to 0.58")
    Image.open(tmp_path / "plot.png").verify()


@pytest.mark.parametrize(("mode", "gray", "expected"), [("L", 128, "0.50"), ("I;16", 32768, "0.50"), ("1", 1, "1.00")])
def test_images_of_any_depth_have_a_brightness(tmp_path: Path, mode: str, gray: int, expected: str) -> None:
    Image.new(mode, (8, 8), gray).save(tmp_path / "a.png")
    facts = card_facts([ImageFile(str(tmp_path / "a.png"))], tmp_path / "plot.png")
    assert dict(facts.rows)["brightness (0 to 1)"].startswith(f"mean {expected}")
    assert "gray images: 1 of 1" in facts.biases


def test_pixels_in_memory_have_no_metadata(tmp_path: Path) -> None:
    pixels = torch.full((3, 5, 7), 51, dtype=torch.uint8)
    facts = card_facts([pixels], tmp_path / "plot.png")
    assert dict(facts.rows)["width and height"] == "7 and 5 pixels"
    assert dict(facts.rows)["brightness (0 to 1)"].startswith("mean 0.20")
    assert facts.privacy == []
    assert card_facts([], tmp_path / "none.png").rows == ()
