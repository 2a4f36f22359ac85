"""Small pictures in SVG: bars side by side, and lines over a logarithmic axis. Readable on light and dark pages."""

import math
from xml.sax.saxutils import escape

COLOURS = {"ondemandd": "#d9480f", "floor": "#868e96", "direct": "#ced4da"}
PEER = "#4c6ef5"
LINES = ["#4c6ef5", "#2b8a3e", "#9c36b5", "#e67700"]
BAR, GAP, LABELS, FIGURES, WIDTH = 16, 6, 120, 70, 250


def document(width, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])


def text(x, y, words, anchor="start", weight="normal", colour="#212529", size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
            f'fill="{colour}">{escape(str(words))}</text>')


def bars(title, panels, high):
    """Panels of (title, [(name, value, label)]), two to a line, each sorted from best to worst on its own scale."""
    columns = min(2, len(panels))
    height_of = [30 + len(items) * (BAR + GAP) + 14 for _, items in panels]
    panel_width = LABELS + WIDTH + FIGURES
    parts = [text(16, 26, title, weight="bold", size=15)]
    y = 44
    for first in range(0, len(panels), columns):
        for column, (name, items) in enumerate(panels[first : first + columns]):
            parts += panel(16 + column * (panel_width + 24), y, name, items, high)
        y += max(height_of[first : first + columns])
    return document(32 + columns * panel_width + (columns - 1) * 24, y + 6, parts)


def panel_of(figures, title, metric, key, form):
    """The panel of one metric: a bar for each program that has the figure."""
    bars = [(name, figures.value(metric, name, key)) for name in figures.names(metric)]
    return title, [(name, value, form(value)) for name, value in bars if value is not None]


def panel(x, y, title, items, high):
    parts = [text(x, y + 14, title, weight="bold")]
    most = max(max(value, 0) for _, value, _ in items) or 1
    for index, (name, value, label) in enumerate(sorted(items, key=lambda item: item[1], reverse=high)):
        top = y + 26 + index * (BAR + GAP)
        length = max(1.0, max(value, 0) / most * WIDTH)
        weight = "bold" if name == "ondemandd" else "normal"
        parts += [
            text(x + LABELS - 8, top + 12, name, anchor="end", weight=weight),
            f'<rect x="{x + LABELS}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" '
            f'fill="{COLOURS.get(name, PEER)}"/>',
            text(x + LABELS + length + 6, top + 12, label, weight=weight)]
    return parts


def lines(title, series):
    """Each series a list of (x, y); x is logarithmic, y begins at zero."""
    left, top, width, height = 56, 52, 520, 260
    points = [point for line in series.values() for point in line]
    least, most = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    highest = max(y for _, y in points) * 1.1
    place = lambda x, y: (
        left + (math.log10(x) - least) / ((most - least) or 1) * width, top + height - y / highest * height)
    parts = [text(16, 26, title, weight="bold", size=15)]
    for step in range(5):
        value = highest * step / 4
        _, y = place(points[0][0], value)
        parts += [f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#dee2e6"/>',
                  text(left - 8, y + 4, f"{value:.1f}", anchor="end", colour="#495057")]
    for x in sorted({x for x, _ in points}):
        parts.append(text(place(x, 0)[0], top + height + 18, f"{x:,}", anchor="middle", colour="#495057"))
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS.get(name, LINES[index % len(LINES)])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
                  for x, y in (place(*point) for point in line)]
        parts += [f'<rect x="{left + width + 24}" y="{top + index * 20}" width="12" height="12" fill="{colour}"/>',
                  text(left + width + 42, top + index * 20 + 11, name)]
    return document(left + width + 170, top + height + 34, parts)
