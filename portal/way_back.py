"""The page a form stood on, found from the address it posts to: by our policy no browser tells the page's path."""

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException


def page_above(path: str) -> str | None:
    """Return the address of the page at ``path``, or the nearest one above it; None when there is only the first page.

    It is built anew from a rule of ours, so nothing but one of our own addresses ever comes back.
    """
    adapter = current_app.create_url_adapter(request)
    while adapter is not None and path.count("/") > 1:
        try:
            endpoint, values = adapter.match(path, method="GET")
        except HTTPException:
            path = path.rpartition("/")[0]
        else:
            return url_for(endpoint, **values)
    return None
