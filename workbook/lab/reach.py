"""Who may reach the lab: the address that it listens on, and the names and pages that it answers.

This machine alone, unless somebody asks for more. Knows nothing of what is answered.
"""

import ipaddress
import re
from dataclasses import dataclass

from workbook.errors import WorkbookError

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
MIN_KEY = 16  # characters of a key that others than this machine's programs may try


@dataclass(frozen=True)
class Reach:
    """
    host: the IP address to listen on.
    names: host names, beside the usual ones, by which clients may call the lab.
    origins: of web pages that may call it from a browser.
    """

    host: str = LOOPBACK
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the lab."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def from_here(self) -> str:
        """The address by which this machine reaches the lab."""
        if ipaddress.ip_address(self.host).is_unspecified:
            return LOOPBACK if self.host == "0.0.0.0" else "::1"
        return self.host

    def allows(self, host: str) -> bool:
        """Whether a request's Host header means the lab, and no name that others point at it."""
        name = re.sub(r":\d+$", "", host).lower()
        if name in LOOPBACK_NAMES or name in self.names or name.strip("[]") == self.host:
            return True
        return not self.is_loopback and _is_address(name.strip("[]"))

    def allows_page(self, origin: str, host: str) -> bool:
        """Whether a page may call the lab: one of those named, or of the lab's own address.

        origin, host: headers of its request
        """
        own = origin.partition("://")[2].lower() == host.lower() and self.allows(host)
        return own or origin in self.origins

    def hosts(self) -> str:
        """What `allows` allows, in words."""
        addresses = () if self.is_loopback else ("addresses",)
        return ", ".join((*LOOPBACK_NAMES, *self.names, *addresses))


def reach(
    host: str | None,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    key: str | None,
    has_students: bool = False,
) -> Reach:
    """What somebody has asked for. Raises WorkbookError where it is wrong, or not safe.

    key: that was given with it; without one, the lab makes a long one.
    has_students: with keys of their own.
    """
    host = host or LOOPBACK
    if not _is_address(host):
        raise WorkbookError(
            f"--host takes the address to listen on, and '{host}' is none. 0.0.0.0 means every "
            "address of this machine."
        )
    for origin in origins:
        # Programs that are built on a browser have schemes of their own: app://obsidian.md.
        match = re.fullmatch(r"[a-z][a-z0-9+.-]*://[\w.-]+(?::(\d{1,5}))?", origin)
        if not match or int(match[1] or 0) > 65535:
            raise WorkbookError(
                f"--cors takes the origin of a page as a browser sends it, such as "
                f"http://localhost:3000, and '{origin}' is none."
            )
    reach = Reach(host, tuple(name.lower() for name in names), origins)
    if not reach.is_loopback and len(key or "") < MIN_KEY and not (has_students and not key):
        raise WorkbookError(
            f"With --host {host} other machines reach the lab. Give each student a key "
            "(`workbook lab keys make 20`, then --keys FILE), or choose one key for everybody, "
            f"with --api-key or WORKBOOK_LAB_KEY: at least {MIN_KEY} characters."
        )
    return reach


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
