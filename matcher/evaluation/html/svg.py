"""Charts as inline SVG: two linear axes, lines, bars, dots. Colours are classes, so that the page's theme decides."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 16, 48

Range = tuple[float, float]
Format = Callable[[float], str]


class Plot:
    """A plot that things are drawn into, in the order of the calls. Values outside the ranges are cut off."""

    def __init__(
        self, x: Range, y: Range, *, x_label: str, y_label: str, title: str, height: int = HEIGHT, ticks: int = 5
    ) -> None:
        """`title` is read out in place of the picture."""
        self._x, self._y, self._height, self._ticks = x, y, height, ticks
        self._labels = x_label, y_label
        self._title = title
        self._parts: list[Markup] = []

    def line(self, points: Sequence[tuple[float, float]], css: str, name: str) -> None:
        """A line through the points; `name` is shown where the mouse rests on it."""
        if not points:
            return
        path = " ".join(f"{'L' if i else 'M'}{self._px(x):.1f},{self._py(y):.1f}" for i, (x, y) in enumerate(points))
        shape = '<path class="line {}" d="{}"><title>{}</title></path>'
        self._parts.append(Markup(shape).format(css, path, name))

    def bar(self, start: float, end: float, *, height: float, css: str, name: str) -> None:
        """A bar that stands on the x axis."""
        x, y = self._px(start), self._py(height)
        width = max(0.5, self._px(end) - x - 1)
        shape = '<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
        self._parts.append(Markup(shape).format(css, x, y, width, self._height - _BOTTOM - y, name))

    def dot(self, x: float, y: float, radius: float, css: str, name: str) -> None:
        shape = '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>'
        self._parts.append(Markup(shape).format(css, self._px(x), self._py(y), radius, name))

    def whisker(self, x: float, low: float, high: float, css: str) -> None:
        shape = '<line class="whisker {}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
        self._parts.append(Markup(shape).format(css, self._px(x), self._px(x), self._py(low), self._py(high)))

    def rule(self, x: float, text: str, *, left: bool) -> None:
        """A vertical line with a word at its top, left or right of it, where x is in range."""
        if not self._x[0] <= x <= self._x[1]:
            return
        place = self._px(x)
        shape = (
            '<line class="rule" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
            '<text class="note" x="{3:.1f}" y="{4}" text-anchor="{5}">{6}</text>'
        )
        self._parts.append(
            Markup(shape).format(
                place, _TOP, self._height - _BOTTOM, place + (-5 if left else 5), _TOP + 12,
                "end" if left else "start", text,
            )
        )  # fmt: skip

    def svg(self, x_format: Format, y_format: Format) -> Markup:
        """The whole picture."""
        head = '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">'
        frame = [Markup(head).format(WIDTH, self._height, self._title)]
        for step in range(self._ticks + 1):
            x = self._x[0] + (self._x[1] - self._x[0]) * step / self._ticks
            y = self._y[0] + (self._y[1] - self._y[0]) * step / self._ticks
            frame.append(
                Markup(
                    '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                    '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
                    '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
                ).format(
                    _LEFT, WIDTH - _RIGHT, self._py(y), self._py(y), _LEFT - 8, self._py(y) + 4, y_format(y),
                    self._px(x), self._height - _BOTTOM + 18, x_format(x),
                )
            )  # fmt: skip
        middle = (_TOP + self._height - _BOTTOM) / 2
        axes = (
            '<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="label" x="{3}" y="{4}" text-anchor="middle">{5}</text>'
            '<text class="label" transform="translate(14 {6}) rotate(-90)" text-anchor="middle">{7}</text>'
        )
        bottom = self._height - _BOTTOM
        frame.append(
            Markup(axes).format(
                _LEFT, WIDTH - _RIGHT, bottom, (_LEFT + WIDTH - _RIGHT) / 2, self._height - 8, self._labels[0],
                middle, self._labels[1],
            )
        )  # fmt: skip
        return Markup("").join([*frame, *self._parts, Markup("</svg>")])

    def _px(self, x: float) -> float:
        return _LEFT + _within(x, self._x) * (WIDTH - _LEFT - _RIGHT)

    def _py(self, y: float) -> float:
        return self._height - _BOTTOM - _within(y, self._y) * (self._height - _TOP - _BOTTOM)


def _within(value: float, limits: Range) -> float:
    """Where a value lies between the limits, 0 to 1."""
    low, high = limits
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
