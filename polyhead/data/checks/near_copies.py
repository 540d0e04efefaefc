"""Find images that are almost the same: compressed again, resized, brighter, or cropped by up to 15 %.

Each image is a small gray thumbnail. Its hash says which of its lowest frequencies are above their median (pHash:
Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010, section 3.2). A crop has another
hash than the whole, so the hash of each image is compared with those of several crops of all others. Pairs with similar
hashes are then compared pixel by pixel.
"""

from itertools import product

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt64

SIDE = 32
"""Height and width of a thumbnail."""
BITS = 8
"""Frequencies of a hash in each direction; it has their square as bits."""
DISTANCE = 12
"""Different bits of 64 up to which hashes are similar. Unrelated photos differ in about 32; one pair in 7,000 in 12."""
ALIKE = 0.9
"""Correlation of the pixels from which two images are copies. Of 390,000 pairs of different photos none reached it."""
ROUGHLY_ALIKE = 0.8
"""The same of a faster comparison without enlarging the thumbnails, which only excludes pairs."""
LEAST_CROP = 0.83
"""The smallest side of a crop that is looked for, as a fraction of the whole."""
CROPS = {1.0: (0.0,), 0.95: (0.0, 0.5, 1.0), 0.85: (0.0, 0.5, 1.0)}
"""Sides of the crops as fractions, and their places as fractions of what is cut off."""
LARGE = 20_000
"""From this number of images on only whole images are compared, not crops: the pairs grow with the square."""
MOST_COMPARED = 50_000
"""Pairs with similar hashes whose pixels are compared, the closest first; a larger set of one scene has too many."""
CHUNK = 2**24
"""Pairs that are compared at a time."""


def near_copies(thumbnails: UInt8[np.ndarray, "n 32 32"]) -> list[list[int]]:
    """Return the groups of images that are almost the same, as ascending indices.

    An image is in a group if it is like one of its members: the frames of a video are one group.
    """
    if len(thumbnails) < 2:
        return []
    pixels = thumbnails.astype(np.float32)
    groups = {index: [index] for index in range(len(pixels))}
    compared = 0
    for one, other in _candidates(hashes(pixels, {1.0: (0.0,)} if len(pixels) > LARGE else CROPS)):
        if groups[one] is groups[other]:
            continue
        compared += 1
        if compared > MOST_COMPARED:
            break
        if alike(pixels[one], pixels[other]):
            groups[one] += groups[other]
            for index in groups[other]:
                groups[index] = groups[one]
    found = {id(group): sorted(group) for group in groups.values() if len(group) > 1}
    return sorted(found.values())


def hashes(pixels: Float[np.ndarray, "n 32 32"], crops: dict[float, tuple[float, ...]]) -> UInt64[np.ndarray, "k n"]:
    """Return the hash of each crop of each image; the first crop is the first of ``crops``."""
    found = []
    for scale, places in crops.items():
        for top, left in product(places, repeat=2):
            rows, columns = _frequencies(scale, top), _frequencies(scale, left)  # [8, 32] each
            strengths = (rows @ pixels @ columns.T).reshape(len(pixels), -1)[:, 1:]  # [n, 63], without the mean
            bits = strengths > np.median(strengths, axis=1, keepdims=True)
            packed = np.packbits(np.pad(bits, ((0, 0), (1, 0))), axis=1)  # [n, 8] bytes
            found.append(np.ascontiguousarray(packed).view(np.uint64)[:, 0])
    return np.stack(found)


def alike(one: Float[np.ndarray, "32 32"], other: Float[np.ndarray, "32 32"]) -> bool:
    """Return whether one image, or a crop of it that cuts off up to about 15 %, looks like the other."""
    return any(
        _correlation(whole, part, SIDE) >= ROUGHLY_ALIKE and _correlation(whole, part, 2 * SIDE) >= ALIKE
        for whole, part in ((one, other), (other, one))
    )


def _correlation(whole: Float[np.ndarray, "32 32"], part: Float[np.ndarray, "32 32"], size: int) -> float:
    """Return the largest correlation of an image, made smaller, with a part of the other; 0 for an image of one color.

    Args:
        whole: the image that may contain the other.
        part: the image that may be a crop.
        size: side to which ``whole`` is enlarged, so that crops between its pixels are found.
    """
    if min(float(whole.std()), float(part.std())) < 1:
        return 0.0
    large = cv2.resize(whole, (size, size), interpolation=cv2.INTER_CUBIC)
    best = 0.0
    for side in range(size, int(LEAST_CROP * size), -2):  # the whole first
        small = cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC)
        best = max(best, float(cv2.matchTemplate(large, small, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _frequencies(scale: float, place: float) -> Float[np.ndarray, "8 32"]:
    """Return the lowest cosines over a crop of a side, as weights of the pixels of the whole side."""
    start = place * (1 - scale) * SIDE
    positions = start + (np.arange(SIDE) + 0.5) * scale - 0.5  # of the crop's pixels, in pixels of the whole
    left = np.clip(np.floor(positions).astype(int), 0, SIDE - 2)
    weight = np.clip(positions - left, 0, 1)
    resample = np.zeros((SIDE, SIDE))
    resample[np.arange(SIDE), left] += 1 - weight
    resample[np.arange(SIDE), left + 1] += weight
    cosines = np.cos(np.pi * np.arange(BITS)[:, None] * (np.arange(SIDE) + 0.5) / SIDE)  # [8, 32]
    frequencies: np.ndarray = (cosines @ resample).astype(np.float32)
    return frequencies


def _candidates(crops: UInt64[np.ndarray, "k n"]) -> list[list[int]]:
    """Return the pairs of images with similar hashes, a whole and a crop, the closest first."""
    count = crops.shape[1]
    step = max(1, CHUNK // max(1, count))
    keys, distances = [], []
    for crop in crops:
        for start in range(0, count, step):
            different = np.bitwise_count(crops[0, start : start + step, None] ^ crop[None])  # [step, n]
            rows, columns = np.nonzero(different <= DISTANCE)
            distances.append(different[rows, columns])
            rows += start
            keys.append(np.minimum(rows, columns) * count + np.maximum(rows, columns))
    key, distance = np.concatenate([[], *keys]).astype(np.int64), np.concatenate([[], *distances])
    order = np.lexsort((key, distance))  # the same pair may be found several times
    first = np.sort(np.unique(key[order], return_index=True)[1])
    ones, others = np.divmod(key[order][first], max(1, count))
    pairs: list[list[int]] = np.stack([ones, others], axis=1)[ones != others].tolist()
    return pairs
