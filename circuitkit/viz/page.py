"""The shell of every page: one look, light and dark, that asks the network for nothing.

A page runs no script, unless it is given one; then it runs that one alone.
"""

import base64
import hashlib
from collections.abc import Sequence

from circuitkit.viz.html import Html, join, tag

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing may be fetched or run, whatever a name in the study says."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --rule: #d1d9e0; --code: #f6f8fa;
  --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a4acb6; --paper: #14171c; --rule: #363c45;
  --code: #1d2127; --link: #8ab4f8; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 60rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word; }
p, li, dd, figcaption { max-width: 44rem; }
a { color: var(--link); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 0.75rem; padding-top: 0.75rem;
  border-top: 1px solid var(--rule); }
.claim { font-size: 1.15rem; line-height: 1.55; margin: 0 0 1.25rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; margin: 0; padding: 0; list-style: none;
  font-size: 0.9rem; }
figure { margin: 2rem 0; }
.card { background: #ffffff; border: 1px solid var(--rule); border-radius: 6px; padding: 0.75rem; overflow-x: auto; }
.card img { display: block; width: 100%; min-width: 40rem; height: auto; }
figcaption, caption { color: var(--soft); font-size: 0.9rem; line-height: 1.5; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(44rem, 100vw - 2.5rem); }
figcaption { margin-top: 0.6rem; }
pre { background: var(--code); border: 1px solid var(--rule); border-radius: 6px; padding: 0.9rem 1rem;
  overflow-x: auto; font-size: 0.8rem; line-height: 1.5; }
pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.scroll { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; line-height: 1.4; font-variant-numeric: tabular-nums;
  width: 100%; overflow-wrap: normal; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { padding: 0.35rem 0.9rem 0.35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
tbody th { font-weight: 500; }
tbody th.long { min-width: 9rem; } td.long { min-width: 13rem; }
.number { text-align: right; }
td.number { white-space: nowrap; }
dt { font-weight: 600; } dd { margin: 0 0 0.6rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media print { .card, figure, tr { break-inside: avoid; } }
"""


def document(title: str, body: Sequence[Html], *, style: str = "", script: str = "") -> Html:
    """Returns a whole page.

    Args:
        title: What the browser's tab says.
        body: What the page shows, in order.
        style: CSS that this page needs besides `STYLE`.
        script: JavaScript that runs when all of the body is there. No other may, whatever the body holds.
    """
    policy, last = POLICY, []
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy, last = f"{POLICY}; script-src 'sha256-{digest}'", [tag("script", Html(script))]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("title", title),
        tag("style", Html(STYLE + style)),
    ]
    return join(
        [Html("<!DOCTYPE html>\n"), tag("html", tag("head", *head), tag("body", *body, *last), lang="en"), Html("\n")]
    )
