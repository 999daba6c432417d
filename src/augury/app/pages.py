"""The small page at ``/``: what runs here and where to go from here."""

from functools import lru_cache

from augury import __version__

_LINKS = (
    ("/trade-api/v2/exchange/status", "Exchange status", "the trading API answers here"),
    ("/trade-api/v2/markets?limit=20", "Markets", "the first twenty, as clients see them"),
    ("/trade-api/v2/coverage", "Coverage", "which operations of the API are there"),
    ("/operator/v1", "Operator API", "for whoever runs this exchange"),
    ("/readyz", "Readiness", "is everything as it should be"),
    ("/metrics", "Metrics", "for Prometheus"),
)


@lru_cache(maxsize=1)
def index_page() -> str:
    rows = "".join(
        f'<tr><td><a href="{path}">{title}</a></td><td>{text}</td></tr>'
        for path, title, text in _LINKS
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Augury</title>
<meta name="viewport" content="width=device-width"><style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto;
        padding: 0 1rem; color: #1d2733; background: #fbfaf8 }}
td {{ padding: 0.2rem 1.5rem 0.2rem 0 }} code {{ background: #efece6; padding: 0.1em 0.3em }}
</style></head><body>
<h1>Augury</h1>
<p>An event-contract exchange, version {__version__}. It speaks the trading API at
<code>/trade-api/v2</code> and streams at <code>/trade-api/ws/v2</code>; point a client's host
here and trade.</p>
<table>{rows}</table>
<p>Augury is independent software and not affiliated with any exchange whose API it speaks.
The money in it is whatever its operator says it is.</p>
</body></html>
"""
