"""What a picture's header says, and how large the picture is before a pixel of it is decoded.

Two readers of one file may see two sizes: then a limit of pixels that one of them keeps does not
bind the other. So sizes are read here from where each format's decoder reads them, and what
Pillow says besides must agree; a form whose size cannot be read so is refused.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture file's header says.

    Attributes:
        format: "jpg", "png" or another format's name, from the content, not the file's ending.
        width, height: in pixels as stored, before any EXIF rotation.
        mode: Pillow's name of the stored form ("RGB", "L", "CMYK", "P", "I;16" …).
        orientation_at: where the EXIF orientation's value lies in the file (its low byte), None
            where there is none or it is 1.
        orientation: its value, 1 to 8 (TIFF 6.0); 1 is upright as stored.
    """

    format: str
    width: int
    height: int
    mode: str
    orientation_at: int | None = None
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the EXIF rotation."""
        turned = self.orientation >= 5
        return (self.height, self.width) if turned else (self.width, self.height)
