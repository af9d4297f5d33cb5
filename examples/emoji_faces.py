"""Pictures for a first GAN in colour: faces of people, cut out of Microsoft's Fluent emoji.

    npm pack @lobehub/fluent-emoji-3d@1.1.0
    python examples/emoji_faces.py --output data/emoji --package lobehub-fluent-emoji-3d-1.1.0.tgz

The package (16 MB, MIT licence) holds 3,391 WebP files of 256x256 pixels, named after their code points
(``1f469-1f3fd-200d-1f680.webp``). Of those of one person the face is cut out, so that eyes and mouths of all are in
about the same place, put on white, resized and written as a PNG file into the folder of its skin tone: 882 pictures of
147 subjects in six tones. They are rendered, not photographed.
"""

from __future__ import annotations

import argparse
import tarfile
from pathlib import Path, PurePosixPath

from PIL import Image

TONES = {0x1F3FB: "light", 0x1F3FC: "medium-light", 0x1F3FD: "medium", 0x1F3FE: "medium-dark", 0x1F3FF: "dark"}
PEOPLE = {0x1F468, 0x1F469, 0x1F9D1}  # man, woman, person: a face alone, or head and shoulders with an attribute
FACES = {0x1F385, 0x1F466, 0x1F467, 0x1F471, *range(0x1F473, 0x1F477), 0x1F47C, 0x1F936, 0x1F9D2, 0x1F9D3, 0x1F9D4}
BUSTS = {  # police officer, bride, ..., elf: head and shoulders
    *(0x1F46E, 0x1F470, 0x1F472, 0x1F477, 0x1F478, 0x1F481, 0x1F482, 0x1F486, 0x1F487, 0x1F575, 0x1F645, 0x1F646),
    *(0x1F64B, 0x1F64D, 0x1F64E, *range(0x1F934, 0x1F938), 0x1F9B8, 0x1F9B9, 0x1F9D5, 0x1F9D9, 0x1F9DB, 0x1F9DD),
}
OF_FACES = {*range(0x1F9B0, 0x1F9B4), 0x1F384}  # attributes that leave a face alone: hair, and Santa's tree
FAR = {0x1F37C, 0x1F9AF, 0x1F9BC, 0x1F9BD}  # feeding a baby, with a cane, in a wheelchair: small faces, elsewhere
JOINERS = {0x200D, 0xFE0F, 0x2640, 0x2642}  # and signs of women and men
FACE_OF_A_BUST = (56, 8, 200, 152)  # pixels: left, top, right, bottom


def describe(name: str) -> tuple[str, tuple[int, int, int, int] | None] | None:
    """Skin tone and box of the face of a file of one person, the box None for the whole; None for any other file.

    >>> describe("1f469-1f3fd-200d-1f680"), describe("1f469-1f3fd"), describe("1f680"), describe("about")
    (('medium', (56, 8, 200, 152)), ('medium', None), None, None)
    """
    try:
        subject, *others = (int(point, 16) for point in name.split("-"))
    except ValueError:
        return None
    attributes = set(others) - TONES.keys() - JOINERS
    if subject not in PEOPLE | FACES | BUSTS or attributes & (FAR | PEOPLE | FACES):
        return None
    tone = next((TONES[point] for point in others if point in TONES), "yellow")
    is_face = subject in FACES or (subject in PEOPLE and attributes <= OF_FACES)
    return tone, None if is_face else FACE_OF_A_BUST


def main(package: Path, output: Path, size: int = 64) -> dict[str, int]:
    """Write the faces into folders of `output`, `size` pixels wide and high; the number of each tone's."""
    counts: dict[str, int] = {}
    with tarfile.open(package) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            description = describe(path.stem) if path.suffix == ".webp" else None
            content = archive.extractfile(member) if description else None
            if description and content is not None:
                tone, box = description
                image = Image.open(content).convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                face = Image.alpha_composite(white, image).convert("RGB").crop(box).resize((size, size))
                (output / tone).mkdir(parents=True, exist_ok=True)
                face.save(output / tone / f"{path.stem}.png")
                counts[tone] = counts.get(tone, 0) + 1
    if not counts:
        raise ValueError(f"emoji_faces: package must hold WebP files named after code points, got {package}")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="the file that npm pack wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--size", type=int, default=64, help="pixels of a picture's side")
    options = parser.parse_args()
    print(main(options.package, options.output, options.size))
