"""The outlines of a photograph, drawn in its own colours."""

import cv2
import numpy as np

import picture
from penstock import task

threshold = task.params["threshold"]

for photo in task.files("images"):
    image = picture.load(photo)
    smooth = cv2.GaussianBlur(image, (5, 5), 0)
    edges = cv2.Canny(smooth, threshold, 2 * threshold)

    # The colours around each line, at full brightness.
    hue, saturation, _ = cv2.split(cv2.cvtColor(cv2.medianBlur(image, 7), cv2.COLOR_BGR2HSV))
    bright = cv2.merge([hue, saturation, np.full_like(hue, 255)])
    colours = cv2.cvtColor(bright, cv2.COLOR_HSV2BGR)

    lines = cv2.dilate(edges, np.ones((2, 2), np.uint8))
    alpha = cv2.GaussianBlur(lines, (3, 3), 0)[..., None] / 255
    background = picture.canvas(image.shape[1], image.shape[0])
    drawn = (colours * alpha + background * (1 - alpha)).astype(np.uint8)

    picture.save(task.out / f"{photo.stem}.png", drawn)
    print(f"{photo.name}: {np.count_nonzero(edges)} pixels on edges at threshold {threshold}")
