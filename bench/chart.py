# SPDX-License-Identifier: Apache-2.0
"""The headline as a picture: a bar for each engine, as long as its speed-up over the peer's 32-bit engine. Plain SVG."""
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP = 860, 110, 250, 16, 12
COLOURS = {"ours": "#2b6cb0", "peer": "#a0aec0"}
STYLE = "text{font:13px system-ui,sans-serif;fill:#1a202c}.title{font-weight:600}.note{fill:#4a5568;font-size:12px}"


def text(x, y, words, **attributes):
    more = "".join(f' {name.rstrip("_").replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{escape(words)}</text>'


def bar(y, who, length, label):
    return [f'<rect x="{LEFT}" y="{y:.0f}" width="{max(length, 1):.1f}" height="{BAR}" rx="2" fill="{COLOURS[who]}"/>',
            text(LEFT + length + 6, y + BAR - 4, label)]


def panel(y, title, rows, per_unit):
    """Two bars for each row of the table, and the height that they took."""
    out, top = [text(12, y + 14, title, class_="title")], y
    y += 28
    for r in rows:
        out.append(text(LEFT - 8, y + BAR + 4, r["strategy"], text_anchor="end"))
        ours, peer = r["speedup_over_best_peer_f32"], r["best_peer_speedup"]
        out += bar(y, "ours", ours * per_unit, f"{ours:.2f}x, {r['median_ms']:.3g} ms, {100 * r['top1']:.2f} %")
        out += bar(y + BAR + 1, "peer", peer * per_unit, f"{peer:.2f}x, {r['best_peer_ms']:.3g} ms")
        y += 2 * BAR + GAP
    return out, y - top + 10


def draw(tables, cpu):
    """The document for a list of (title, rows of the CSV)."""
    longest = max(max(r["speedup_over_best_peer_f32"], r["best_peer_speedup"]) for _, rows in tables for r in rows)
    per_unit, body, y = (WIDTH - LEFT - RIGHT) / longest, [], 40
    for x, who, words in (12, "ours", "mixdown"), (100, "peer", "best other engine"):
        body += [f'<rect x="{x}" y="12" width="12" height="12" rx="2" fill="{COLOURS[who]}"/>', text(x + 18, 22, words)]
    first = tables[0][1][0]
    notes = ("speed-up over the best other engine at 32 bit; median latency; top-1 of test images",
             f"batch {first['batch']}, {first['threads']} threads, {cpu}")
    body += [text(12, 42 + 16 * k, note, class_="note") for k, note in enumerate(notes)]
    y += 32
    for title, rows in tables:
        lines, height = panel(y, f"{title} (beside {rows[0]['best_peer']})", rows, per_unit)
        body += lines
        y += height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    return "\n".join([head, "<!-- SPDX-License-Identifier: Apache-2.0; written by bench/headline.py -->", f"<style>{STYLE}</style>",
                      '<rect width="100%" height="100%" fill="#fff"/>', *body, "</svg>", ""])
