"""The operator's door: an HTTP API under ``/operator/v1`` for whoever runs the exchange.

It speaks plain words instead of the trading API's twin fields: money and prices are dollar
strings, counts are count strings, times are RFC 3339, ids are the ids that members see.
"""
