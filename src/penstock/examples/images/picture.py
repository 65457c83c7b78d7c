"""What both steps do with pictures. Both import it, so both run again when it changes."""

import cv2
import numpy as np

BACKGROUND = (38, 30, 26)  # blue, green, red


def load(path):
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{path.name} is no picture that OpenCV can read")
    return picture


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def fit(picture, width, height):
    """A picture scaled and cut to fill width x height, keeping more of its top, where faces are."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
    top, left = (scaled.shape[0] - height) // 5, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def canvas(width, height):
    return np.full((height, width, 3), BACKGROUND, np.uint8)
