"""Every photograph beside its outlines, in one picture."""

import cv2

import picture
from penstock import task

WIDTH, HEIGHT = 480, 320  # of one picture
GAP, HEAD, LABEL = 24, 84, 44
TEXT, FAINT = (235, 235, 235), (150, 140, 132)
FONT = cv2.FONT_HERSHEY_DUPLEX


def write(sheet, text, x, y, size, colour):
    cv2.putText(sheet, text, (x, y), FONT, size, colour, 1, cv2.LINE_AA)


outlines = {path.stem: path for path in task.files("edges")}
photos = [photo for photo in task.files("images") if photo.stem in outlines]

row = HEIGHT + LABEL + GAP
sheet = picture.canvas(3 * GAP + 2 * WIDTH, HEAD + len(photos) * row)
write(sheet, "edges", GAP, 54, 1.2, TEXT)
write(sheet, f"{len(photos)} photographs, threshold {task.params['threshold']}", GAP + 140, 54, 0.6, FAINT)

for place, photo in enumerate(photos):
    top = HEAD + place * row
    pair = [picture.load(photo), picture.load(outlines[photo.stem])]
    for column, image in enumerate(pair):
        left = GAP + column * (WIDTH + GAP)
        sheet[top : top + HEIGHT, left : left + WIDTH] = picture.fit(image, WIDTH, HEIGHT)
    write(sheet, photo.name, GAP, top + HEIGHT + 28, 0.6, FAINT)

picture.save(task.out / "montage.png", sheet)
print(f"{len(photos)} photographs in one picture of {sheet.shape[1]} x {sheet.shape[0]}")
