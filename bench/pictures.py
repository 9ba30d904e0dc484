# SPDX-License-Identifier: MIT
"""A picture a group: a panel a case, a dot a contender with its spread, on an axis of powers."""

import math
from html import escape

from report import number

STYLE = """
  .back { fill: #ffffff } .grid { stroke: #e3e7eb } .text { fill: #1f2328 } .dim { fill: #59636e }
  .peer { fill: #6e7781; stroke: #6e7781 } .covey { fill: #0969da; stroke: #0969da }
  .bound { fill: #ffffff; stroke: #6e7781 } .bar { stroke: #bc4c00 } .ours { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .grid { stroke: #262c34 } .text { fill: #e6edf3 } .dim { fill: #9198a1 }
    .peer { fill: #9198a1; stroke: #9198a1 } .covey { fill: #58a6ff; stroke: #58a6ff }
    .bound { fill: #0d1117; stroke: #9198a1 } .bar { stroke: #f0883e } .ours { fill: #58a6ff }
  }
  text { font: 12px system-ui, "DejaVu Sans", sans-serif } .title { font-weight: 600 }
  .small { font-size: 10px } line { stroke-width: 1 } .spread { stroke-width: 1.6 }
  .bar { stroke-width: 1.6; stroke-dasharray: 3 2 }
"""
PANEL, GAP, MARGIN = 530, 30, 20
LABEL, VALUE = 164, 66  # left and right of the axis
ROW, HEAD, FOOT = 19, 30, 34
AXIS = PANEL - LABEL - VALUE
LEAST_RANGE = 6  # of an axis, so that what is nearly the same looks so


class Panel:
    """One case: its contenders as (name, kind, middle, low, high), and where its bars lie."""

    def __init__(self, title, note, contenders, bars):
        self.title, self.note, self.bars = title, note, bars
        self.contenders = contenders
        self.height = HEAD + ROW * len(self.contenders) + FOOT
        ends = [x for c in self.contenders for x in c[2:] if x > 0] + [b for b in bars if b > 0]
        low, high = min(ends), max(ends)
        wider = max(1.15, math.sqrt(LEAST_RANGE / (high / low)))
        self.low, self.high = low / wider, high * wider

    def x(self, value):
        part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return LABEL + AXIS * part

    def ticks(self):
        """Powers of ten, or with 2 and 5 between where there are few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1,) if last - first > 3 else (1, 2, 5)
        every = max(1, (last - first) // 6) if steps == (1,) else 1
        return [m * 10.0 ** p for p in range(first, last + 1, every) for m in steps
                if self.low <= m * 10.0 ** p <= self.high]

    def draw(self):
        bottom = HEAD + ROW * len(self.contenders)
        out = [f'<text class="text title" y="12">{escape(self.title)}</text>',
               f'<text class="dim small" x="{PANEL}" y="12" text-anchor="end">'
               f'{escape(self.note)}</text>']
        for tick in self.ticks():
            x = f"{self.x(tick):.1f}"
            label = f"{tick:,.0f}" if tick >= 1 else f"{tick:.9f}".rstrip("0")
            out += [f'<line class="grid" x1="{x}" x2="{x}" y1="{HEAD - 8}" y2="{bottom}"/>',
                    f'<text class="dim small" x="{x}" y="{bottom + 12}" text-anchor="middle">'
                    f'{label}</text>']
        for bar in self.bars:
            x = f"{self.x(bar):.1f}"
            out.append(f'<line class="bar" x1="{x}" x2="{x}" y1="{HEAD - 8}" '
                       f'y2="{HEAD + ROW - 4}"/>')
        for i, contender in enumerate(self.contenders):
            out += self.row(HEAD + ROW * i + ROW / 2 - 4, *contender)
        return out

    def row(self, y, name, kind, middle, low, high):
        a, b, x = self.x(low), self.x(high), self.x(middle)
        ours = "ours title" if kind == "covey" else "text"
        out = [f'<text class="{ours}" x="{LABEL - 10}" y="{y + 4}" text-anchor="end">'
               f'{escape(name)}</text>',
               f'<text class="{ours}" x="{PANEL}" y="{y + 4}" text-anchor="end">'
               f'{number(middle)}</text>']
        if not middle:
            return out  # nothing has no place on an axis of powers
        if b - a > 1:
            out.append(f'<path class="spread {kind}" d="M{a:.1f} {y - 4}v8m0 -4H{b:.1f}m0 -4v8"/>')
        if kind == "bound":
            out.append(f'<path class="spread bound" d="M{x:.1f} {y - 5}l5 5l-5 5l-5 -5z"/>')
        else:
            out.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="4"/>')
        return out


def picture(title, panels):
    """The SVG: panels in two columns, each put where there is more room."""
    heights, placed = [64, 64], []
    for panel in panels:
        column = 0 if heights[0] <= heights[1] else 1
        placed.append((column, heights[column], panel))
        heights[column] += panel.height
    columns = 2 if len(panels) > 1 else 1
    width = 2 * MARGIN + columns * PANEL + (columns - 1) * GAP
    height = max(heights) - 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img">',
           f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
           f'<rect class="back" width="{width}" height="{height}"/>',
           f'<g transform="translate({MARGIN} 28)">',
           '<circle class="covey" cx="4" cy="-4" r="4"/><text class="text small" x="13">covey</text>',
           '<circle class="peer" cx="64" cy="-4" r="4"/><text class="text small" x="73">peer</text>',
           '<path class="spread bound" d="M114 -9l5 5l-5 5l-5 -5z"/>'
           '<text class="text small" x="124">bound: what the machine gives</text>',
           '<line class="bar" x1="290" x2="290" y1="-11" y2="3"/>'
           '<text class="text small" x="297">bar for covey</text>',
           '<path class="spread peer" d="M380 -8v8m0 -4h22m0 -4v8"/>'
           '<text class="text small" x="408">quartiles</text></g>']
    for column, top, panel in placed:
        left = MARGIN + column * (PANEL + GAP)
        out += [f'<g transform="translate({left} {top})">', *panel.draw(), "</g>"]
    return "\n".join([*out, "</svg>"]) + "\n"
