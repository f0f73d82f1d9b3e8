"""What a command wants of its tables; tables that cannot give it are refused before anything is encoded."""

from typing import Literal

from msgspec import Struct

#: `none`: photos are not looked at. `any`: used where a table lists some. `required`: every table must have some.
Images = Literal["none", "any", "required"]


class Needs(Struct, frozen=True, kw_only=True):
    """`truth`: products or labelled pairs must be known, with something in them to learn or to find. `products`: pairs
    will not do.

    A table that lists photos of which not one can be had is refused unless `images` is `none`: the folder is not
    where it should be, and text alone would be called a result of both.
    """

    truth: bool = True
    products: bool = False
    images: Images = "any"
