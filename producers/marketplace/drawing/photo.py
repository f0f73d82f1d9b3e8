"""Photographing: one cut-out in one seller's scenery, from one view, in one light, saved as that seller saves JPEGs."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from producers.marketplace.catalogue import SHOES, Product
from producers.marketplace.drawing.canvas import dimmed
from producers.marketplace.drawing.pose import Pose, posed
from producers.marketplace.drawing.scenery import backdrop, bust, hang, shadow, watermark
from producers.marketplace.drawing.sprite import Sprite, ink_and_mask, sprite_of
from producers.marketplace.draws import Draws
from producers.marketplace.sellers import Seller

VIEWS = ("front", "back", "angled", "detail", "pair")
_HANGS = ("t-shirt", "hoodie", "jacket", "dress")
Window = tuple[float, float, float, float]
_SMOOTH = Image.Resampling.BILINEAR
_SKINS = ((232, 196, 170), (196, 148, 112), (128, 88, 64), (214, 210, 204), (88, 62, 48))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a photo shows: whose product, seen how (one of `VIEWS`)."""

    product: Product
    seller: Seller
    view: str


def take_photo(seed: int, subject: Subject, draws: Draws) -> bytes:
    """The JPEG of a subject; all chance comes from `draws`."""
    product, seller, view = subject.product, subject.seller, subject.view
    sprite = sprite_of(seed, product.style.key, product.variant, view == "back")
    width, height = seller.width, seller.height
    image = backdrop(seller.backdrop, seller.tint, width, height, f"{seed}/{seller.seller_id}").copy()
    image = _close_up(image, sprite, draws) if view == "detail" else _whole(image, sprite, subject, draws)
    image = _lit(image, seller, draws)
    watermark(image, seller.watermark, seller.domain)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=seller.quality)
    return out.getvalue()


def _whole(image: Image.Image, sprite: Sprite, subject: Subject, draws: Draws) -> Image.Image:
    product, seller, view = subject.product, subject.seller, subject.view
    left, top, right, bottom = sprite.box
    wide, high = right - left, bottom - top
    fill = seller.fill * draws.between(0.94, 1.0)
    scale = min(image.width / wide, image.height / high) * fill
    upright = product.style.kind in _HANGS or product.style.kind in ("trousers", "skirt", "shorts")
    worn = seller.props and upright and view != "angled"
    if worn:
        scale *= 0.86
    middle = (image.width / 2, image.height / 2 + (0.05 * image.height if worn else 0))
    middle = (
        middle[0] + draws.between(-0.03, 0.03) * image.width,
        middle[1] + draws.between(-0.02, 0.02) * image.height,
    )
    tilt = draws.between(-seller.tilt, seller.tilt)
    # A shirt is never shown mirrored, but a shoe may point either way, and its inner side points the other.
    flip = product.style.kind in SHOES and seller.mirrored != (view == "back")
    lean = draws.pick((-1.0, 1.0)) * draws.between(0.14, 0.26) if view == "angled" else 0.0
    squeeze = draws.between(0.74, 0.86) if view == "angled" else 1.0
    if worn:
        _dress_up(image, subject, middle, (wide * scale, high * scale), draws)
    places = [middle]
    if view == "pair" and product.style.kind in SHOES:
        scale *= 0.8
        places = [
            (middle[0] + 0.07 * image.width, middle[1] - 0.13 * image.height),
            (middle[0] - 0.06 * image.width, middle[1] + 0.12 * image.height),
        ]
    pose = Pose(scale, tilt, squeeze, lean, flip)
    for place in places:
        image = _placed(image, posed(sprite, pose), place, 0.02 if seller.backdrop == "white" else 0.035)
    return image


def _placed(image: Image.Image, product: Image.Image, place: tuple[float, float], depth: float) -> Image.Image:
    """The image with a posed product, its middle at `place`, and its shadow `depth` of the image's size away."""
    ink, mask = ink_and_mask(product)
    at = (round(place[0] - ink.width / 2), round(place[1] - ink.height / 2))
    whole = Image.new("L", image.size, 0)
    whole.paste(mask, at)
    image = shadow(image, whole, (round(depth * image.width), round(depth * image.height)), 0.35)
    image.paste(ink, at, mask)
    return image


def _dress_up(
    image: Image.Image,
    subject: Subject,
    middle: tuple[float, float],
    size: tuple[float, float],
    draws: Draws,
) -> None:
    top = middle[1] - size[1] / 2
    skin = _SKINS[Draws("skin", subject.seller.seller_id).below(len(_SKINS))]
    box = (middle[0] - size[0] / 2, top, middle[0] + size[0] / 2, top + size[1])
    kind = subject.product.style.kind
    if kind not in _HANGS:
        bust(image, box, skin, whole=True)
    elif draws.chance(0.5) or kind == "hoodie":
        hang(image, (middle[0], top + 0.02 * size[1]), size[0])
    else:
        bust(image, box, skin, whole=False)


def _close_up(image: Image.Image, sprite: Sprite, draws: Draws) -> Image.Image:
    windows = [_window(image, sprite, draws) for _ in range(4)]
    # The middle of a sandal is air: of a few tries the one with the most product in it is a photo worth showing.
    mask = sprite.shaded.getchannel(3).reduce(4)
    part = mask.width / sprite.sharp.width
    held = [mask.resize((1, 1), Image.Resampling.BOX, _scaled(window, part)).tobytes() for window in windows]
    window = windows[held.index(max(held))]
    ink, mask = ink_and_mask(sprite.sharp.resize(image.size, _SMOOTH, window))
    light = sprite.shade.resize(image.size, _SMOOTH, _scaled(window, sprite.shade.width / sprite.sharp.width))
    image.paste(dimmed(ink, light), mask=mask)
    return image


def _window(image: Image.Image, sprite: Sprite, draws: Draws) -> Window:
    """A part of the sharp cut-out with the photo's proportions, somewhere on the product."""
    left, top, right, bottom = (2 * side for side in sprite.box)
    size = sprite.sharp.width
    wide = min(right - left, bottom - top) * draws.between(0.42, 0.6)
    high = min(size, wide * image.height / image.width)
    x = (left + right) / 2 + draws.between(-0.12, 0.12) * (right - left)
    y = top + (bottom - top) * draws.between(0.38, 0.66)
    x, y = min(max(x - wide / 2, 0), size - wide), min(max(y - high / 2, 0), size - high)
    return x, y, x + wide, y + high


def _scaled(window: Window, factor: float) -> Window:
    left, top, right, bottom = window
    return left * factor, top * factor, right * factor, bottom * factor


def _lit(image: Image.Image, seller: Seller, draws: Draws) -> Image.Image:
    """The image in the seller's light: brightness, warmth, and a fall-off from one side."""
    light = seller.light * draws.between(0.97, 1.03)
    gains = (light * (1 + seller.warmth), light, light * (1 - seller.warmth))
    white = seller.backdrop == "white"
    if white:
        gains = (max(1.0, gains[0]), max(1.0, gains[1]), max(1.0, gains[2]))
    image = image.point([min(255, int(value * gain + 0.5)) for gain in gains for value in range(256)])
    if white:
        return image
    near, far = 255, round(255 * draws.between(0.78, 0.95))
    slope = Image.new("L", (2, 2))
    slope.putdata(draws.pick(((near, far, near, far), (far, near, far, near), (near, near, far, far))))
    return dimmed(image, slope)


def views_of(product: Product, count: int, seller_key: str, seed: int) -> tuple[str, ...]:
    """The views that a seller shows of such products, the main photo first."""
    main = "front"
    draws = Draws(seed, "views", seller_key, product.style.kind)
    if product.style.kind in SHOES and draws.chance(0.35):
        main = "pair"
    elif draws.chance(0.2):
        main = "angled"
    others = [view for view in VIEWS if view != main and (view != "pair" or product.style.kind in SHOES)]
    chosen = [main, *draws.shuffled(others)]
    # A bag or garment has four views; a fifth photo is one more close-up.
    return tuple([*chosen, "detail"][:count])
