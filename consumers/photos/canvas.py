"""From any mode of Pillow to upright RGB on white, strip by strip: little is held beside the photo and its result."""

import numpy as np
from PIL import Image, ImageOps

_WHITE = (255, 255, 255, 255)
#: Pixels that are converted at once.
_STRIP = 250_000


def turn_upright(image: Image.Image) -> None:
    """Turns it in place as EXIF says; broken EXIF says nothing."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels are fine, only the notes beside them are not
        return


def on_white(image: Image.Image) -> Image.Image:
    """A new image in RGB of the same size."""
    full = _full_scale(image)
    canvas = Image.new("RGB", image.size)
    rows = max(1, _STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        canvas.paste(_strip_on_white(strip) if full is None else _deep_strip(strip, full), (0, top))
    return canvas


def _strip_on_white(strip: Image.Image) -> Image.Image:
    if strip.mode == "RGB" and not strip.has_transparency_data:
        return strip
    if strip.has_transparency_data or strip.mode in ("PA", "La", "RGBa"):
        ground = Image.new("RGBA", strip.size, _WHITE)
        ground.alpha_composite(strip.convert("RGBA"))
        return ground.convert("RGB")
    return strip.convert("RGB")


def _full_scale(image: Image.Image) -> float | None:
    """What white is where a channel has more than 8 bits (modes I;16, I and F); None for all other modes."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    if image.mode.startswith("I;16"):
        return 65535.0
    top = 0.0
    rows = max(1, _STRIP // max(1, image.width))
    for start in range(0, image.height, rows):
        strip = image.crop((0, start, image.width, min(start + rows, image.height)))
        top = max(top, float(np.nan_to_num(np.asarray(strip, np.float32)).max(initial=0.0)))
    return 65535.0 if top > 255 else 255.0 if top > 1 else 1.0


def _deep_strip(strip: Image.Image, full: float) -> Image.Image:
    """Scaled down, since Pillow itself would clip."""
    values = np.nan_to_num(np.asarray(strip, np.float32))
    grey = np.clip(values * (255.0 / full), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
