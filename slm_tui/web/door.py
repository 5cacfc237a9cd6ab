"""Which requests a page server answers (pure).

A server on the loopback interface is within reach of every web page that the person's browser shows. Two things keep
those out. A page of another site may open a websocket to us, but the browser then says where the page is from: the
`Origin`. And a site may have its own name lead to our address, so that we seem to be that site; the browser then says
that name: the `Host`. A name that is digits leads to nobody else.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.contract.errors import UserError

# All that is there. A file of a folder is one, its listing is none.
PATHS = re.compile(r"/|/ws/(dark|light)|/download/[\w-]+|/(static|own)/[\w/-]+\.[a-z]+", re.ASCII)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(rf"(https?)://({_HOST.pattern})/?", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Door:
    """What a server is called: by digits, as `localhost`, by the name of the machine or of the public address."""

    public: str | None = None  # origin of the page where a proxy stands before us, such as https://stories.example
    own_only: bool = False  # for programs of this user alone: see neighbours.py

    def refusal(self, path: str, host: str | None, origin: str | None) -> str | None:
        """What is wrong with a request for `path` with these headers, or None."""
        if not PATHS.fullmatch(path):
            return "there is nothing here"
        named = _HOST.fullmatch(host or "")
        if named is None or not self._is_called(named[1].lower()):
            return "this server has another name: open the address that slm-tui serve printed"
        if origin is None:
            return "a websocket says which page opens it" if path.startswith("/ws/") else None
        own = {f"http://{host}", f"https://{host}", self.public}
        return None if origin in own else "another site's page may not do this"

    def _is_called(self, name: str) -> bool:
        here = socket.gethostname().lower()
        public = urlsplit(self.public).hostname if self.public else None
        return name in ("localhost", here, f"{here}.local", public) or _is_address(name)


def may_copy(origin: str) -> bool:
    """Whether a browser lets a page from there write to the clipboard."""
    url = urlsplit(origin)
    return url.scheme == "https" or url.hostname == "localhost" or is_loopback(url.hostname or "")


def is_loopback(address: str) -> bool:
    """Whether an address in digits is of this machine alone."""
    return _is_address(address) and ipaddress.ip_address(address.strip("[]")).is_loopback


def public_origin(url: str) -> str:
    """The origin of a public address.

    Raises:
        UserError: it is no address of a web page, or one below another.
    """
    found = _ORIGIN.fullmatch(url)
    if found is None or (found[3].startswith("[") and not _is_address(found[3])):
        raise UserError(f"--public-url {url}: must be http:// or https:// and a name, such as https://stories.example")
    scheme, host = found[1].lower(), found[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}"  # a browser leaves that out, too


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
