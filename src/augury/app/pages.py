"""The small pages at ``/`` and ``/coverage``: what runs here and where to go from here."""

import re
from functools import lru_cache
from html import escape

from augury import __version__
from augury.gateways.rest.coverage import (
    WORKS,
    counted,
    coverage,
    differences,
    introduction,
)

_LINKS = (
    ("/trade-api/v2/exchange/status", "Exchange status", "the trading API answers here"),
    ("/trade-api/v2/markets?limit=20", "Markets", "the first twenty, as clients see them"),
    ("/coverage", "Coverage", "which operations of the API are there"),
    ("/docs", "Reference", "every operation of the trading API, with examples"),
    ("/openapi.yaml", "OpenAPI", "the same as a document for tools"),
    ("/docs/websocket", "WebSocket", "channels, commands and messages of the stream"),
    ("/asyncapi.yaml", "AsyncAPI", "the stream as a document for tools"),
    ("/operator/v1", "Operator API", "for whoever runs this exchange"),
    ("/readyz", "Readiness", "is everything as it should be"),
    ("/metrics", "Metrics", "for Prometheus"),
)


_HEAD = """<meta name="viewport" content="width=device-width"><style>
body { font: 17px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 3rem auto;
       padding: 0 1rem; color: #1d2733; background: #fbfaf8 }
td { padding: 0.2rem 1.5rem 0.2rem 0; vertical-align: top }
code { background: #efece6; padding: 0.1em 0.3em }
.missing { color: #a33 }
</style>"""


def whole_page(title: str, body: str) -> str:
    """A page of the front, in the look of all of them."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
{_HEAD}</head><body>
{body}
</body></html>
"""


@lru_cache(maxsize=1)
def index_page() -> str:
    rows = "".join(
        f'<tr><td><a href="{path}">{title}</a></td><td>{text}</td></tr>'
        for path, title, text in _LINKS
    )
    return whole_page(
        "Augury",
        f"""<h1>Augury</h1>
<p>An event-contract exchange, version {__version__}. It speaks the trading API at
<code>/trade-api/v2</code> and streams at <code>/trade-api/ws/v2</code>; point a client's host
here and trade.</p>
<table>{rows}</table>
<p>Augury is independent software and not affiliated with any exchange whose API it speaks.
The money in it is whatever its operator says it is.</p>""",
    )


@lru_cache(maxsize=1)
def coverage_html() -> str:
    """Every operation of the specification, and what of it is there."""
    rows = coverage()
    there = sum(row.status == WORKS for row in rows)
    cells = []
    for row in rows:
        kind = "" if row.status == WORKS else ' class="missing"'
        cells.append(
            f"<tr{kind}><td>{row.method}</td><td><code>{escape(row.path)}</code></td>"
            f'<td><a href="/docs#{row.id}">{row.id}</a></td><td>{row.status}</td>'
            + "".join(f"<td>{counted(part)}</td>" for _, part in row.parts)
            + "</tr>"
        )
    different = "".join(
        f"<tr><td>{name}</td><td>{place}</td><td>{_code(text)}</td></tr>"
        for name, place, text in differences(rows)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Coverage</title>
{_HEAD}</head><body>
<h1>Coverage of the trading API</h1>
<p>{escape(introduction(rows)[0])}</p>
<p>{there} of {len(rows)} operations work; others would answer 501. A cell such as 5/5 +2 says how
many of the specified names are there, and how many more.</p>
<div style="overflow-x: auto"><table>
<tr><th>Method</th><th>Path</th><th>Operation</th><th>Status</th><th>Parameters</th><th>Request</th>
<th>Answer</th></tr>{"".join(cells)}</table></div>
<h2>Not as specified</h2>
<div style="overflow-x: auto"><table>{different}</table></div>
</body></html>
"""


def _code(text: str) -> str:
    """Text with ``code`` in backquotes."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
