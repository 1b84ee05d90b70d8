# SPDX-License-Identifier: GPL-2.0-only
"""Small SVG pictures, drawn by hand: no library, nothing from the network."""
import math

from . import timeline


def _num(x):
    return f"{x:.1f}".rstrip("0").rstrip(".")


def dots(without, with_it, width=200, height=40):
    """Rounds of both arms on one scale that starts at zero."""
    values = without + with_it
    top = max(values) if values else 0
    if not top:
        return ""
    out = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'role="img" aria-label="rounds of both arms">']
    for y, row, colour in ((12, without, "--without"), (28, with_it, "--with")):
        out.append(f'<line class="axis" x1="4" x2="{width - 4}" y1="{y}" y2="{y}"/>')
        for v in row:
            x = 4 + v / top * (width - 12)
            out.append(f'<circle cx="{_num(x)}" cy="{y}" r="4.5" fill="var({colour})" '
                       'fill-opacity=".75"/>')
    out.append("</svg>")
    return "".join(out)


def survival(hist):
    """[(value, share of all that is larger)] of [[low edge, count]...]."""
    rows = sorted((low, n) for low, n in hist if n)
    total = sum(n for _, n in rows)
    out, seen = [], 0
    for low, n in rows:
        out.append((low, (total - seen) / total))
        seen += n
    return out


def pooled(hists):
    got = {}
    for hist in hists:
        for low, n in hist:
            got[low] = got.get(low, 0) + n
    return sorted(got.items())


def middle(hist):
    """The median's bucket."""
    half, seen = sum(n for _, n in hist) / 2, 0
    for low, n in hist:
        seen += n
        if seen >= half:
            return max(low, 1)
    return 1


class Tail:
    """Share of tokens that took longer, both axes logarithmic."""

    W, H, L, B, T, R = 660, 330, 56, 44, 12, 14

    def __init__(self, arms, unit):
        """arms: [(label, css colour, [hist of a round])]; unit: (factor, text)."""
        self.arms = arms
        self.factor, self.unit = unit
        every = [v for _, _, hists in arms for v, _ in pooled(hists) if v > 0]
        # The slow end is what matters: start a little below the medians.
        lowest = min((middle(pooled(h)) for _, _, h in arms if h), default=1) / 3
        pools = [sum(n for _, n in pooled(h)) for _, _, h in arms if h]
        self.x0 = math.log10(max(lowest / self.factor, 1e-3))
        self.x1 = math.log10(max(every) / self.factor) if every else self.x0 + 1
        self.x1 = max(self.x1, self.x0 + 0.5)
        self.y1 = -math.log10(max(pools)) if pools else -3.0

    def x(self, v):
        part = (math.log10(max(v / self.factor, 1e-9)) - self.x0) / (self.x1 - self.x0)
        return self.L + min(max(part, 0), 1) * (self.W - self.L - self.R)

    def y(self, share):
        part = math.log10(max(share, 1e-9)) / self.y1
        return self.T + min(max(part, 0), 1) * (self.H - self.T - self.B)

    def _path(self, hist, colour, style):
        points = survival(hist)
        if not points:
            return ""
        d = [f"M{_num(self.x(points[0][0]))} {_num(self.y(1))}"]
        for v, share in points:
            d.append(f"H{_num(self.x(v))}V{_num(self.y(share))}")
        return f'<path d="{"".join(d)}" fill="none" stroke="var({colour})" {style}/>'

    def _ticks(self):
        out, k = [], 0
        while -k >= self.y1:
            y, text = _num(self.y(10 ** -k)), ("all" if k == 0 else f"{100 / 10 ** k:g} %")
            out.append(f'<line class="axis" x1="{self.L}" x2="{self.W - self.R}" y1="{y}" '
                       f'y2="{y}"/><text x="{self.L - 8}" y="{y}" dy="4" '
                       f'text-anchor="end">{text}</text>')
            k += 1
        for e in range(math.floor(self.x0), math.ceil(self.x1) + 1):
            for m in (1, 2, 5):
                v = m * 10.0 ** e
                if not self.x0 - 1e-9 <= math.log10(v) <= self.x1 + 1e-9:
                    continue
                x = _num(self.x(v * self.factor))
                out.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{self.T}" '
                           f'y2="{self.H - self.B}"/><text x="{x}" y="{self.H - self.B + 18}" '
                           f'text-anchor="middle">{v:g}</text>')
        return out

    def svg(self):
        out = [f'<svg viewBox="0 0 {self.W} {self.H}" role="img" '
               'aria-label="share of tokens that took longer">'] + self._ticks()
        mid = (self.L + self.W - self.R) / 2
        out.append(f'<text x="{_num(mid)}" y="{self.H - 6}" text-anchor="middle">'
                   f'inter-token latency, {self.unit}</text>')
        for _, colour, hists in self.arms:
            for hist in hists if len(hists) > 1 else []:
                out.append(self._path(hist, colour, 'stroke-width="1" stroke-opacity=".35"'))
        for _, colour, hists in self.arms:
            out.append(self._path(pooled(hists), colour, 'stroke-width="2.5"'))
        for i, (label, colour, _) in enumerate(self.arms):
            y = self.H - self.B - 36 + 20 * i
            x = self.L + 14
            out.append(f'<line x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}" stroke="var({colour})" '
                       f'stroke-width="3"/><text x="{x + 32}" y="{y}" dy="4">{label}</text>')
        out.append("</svg>")
        return "".join(out)


def share_bar(shares):
    """Roles of the CPU time as one bar of 100 %."""
    out = ['<div class="bar">']
    for role in timeline.ROLES[1:]:
        part = shares.get(role, 0)
        if part >= 0.0005:
            out.append(f'<i style="width:{part * 100:.2f}%;background:var(--{role})" '
                       f'title="{role} {part * 100:.1f} %"></i>')
    out.append("</div>")
    return "".join(out)
